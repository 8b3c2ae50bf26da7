"""Ctrl-C, SIGTERM and a closed terminal while a command starts, before it asks for them itself: it ends, with one line.

Imported by `launch.cli` before all else: most of a start is imports. What comes from inside an import is raised as something
else there (ImportError out of C code), or swallowed; so what tells is `has_come()`, not the exception.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = "interrupted"
_PROGRAMS = ("/mpc", "launch/cli.py")  # what argv[0] ends with where this process is the command

_inside: list[bool] = []  # one for each `interruptible` that is entered: whether a signal has come


def note() -> None:
    """A signal has come to the command and is about to be raised as a KeyboardInterrupt."""
    if _inside:
        _inside[-1] = True


def has_come() -> bool:
    """Whether one has come to the command that runs."""
    return any(_inside)


def say_interrupted() -> None:
    """For a person; a launcher's processes leave it to the launcher."""
    if "--parent" not in sys.argv:
        os.write(2, f"{_INTERRUPTED}\n".encode())


@contextmanager
def interruptible() -> Iterator[None]:
    """In the body a signal is raised as a KeyboardInterrupt; one that is ignored (nohup, &) stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in NUMBERS}
    mine = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    _inside.append(False)
    for number in mine:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        _inside.pop()
        for number, handler in mine.items():
            signal.signal(number, handler)


def leave(code: int) -> None:
    """The command is over, with this exit code; a signal from here on hurries the end, and changes nothing about it."""
    # A KeyboardInterrupt that passed through an exec of text, as in the imports of dataclasses, makes Python end with SIGINT
    # although it was caught; the next exec forgets it (run_eval_code_obj in pythonrun.c).
    exec("")
    if not _is_program():
        return
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(code))


def _raise(number: int, frame: FrameType | None) -> None:
    note()
    raise KeyboardInterrupt


def _end(number: int, frame: FrameType | None) -> None:
    """Nothing is begun yet, so there is nothing to put in order."""
    say_interrupted()
    os._exit(0)


def _is_program() -> bool:
    """Whether this process is `mpc` itself, not one that imports it, nor one of its workers."""
    return sys.argv[0].endswith(_PROGRAMS) and "multiprocessing.spawn" not in sys.modules


if _is_program():
    for _number in NUMBERS:
        if signal.getsignal(_number) is not signal.SIG_IGN:
            signal.signal(_number, _end)
