"""One process that the launcher starts, listens to and stops."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, final

from mpc_controller.node.notify import VARIABLES

READY = "ready"  # the first word of the line with which a process says that its set-up is done
_ERROR = "error:"  # how the one line of an error begins
_PR_SET_PDEATHSIG = 1  # prctl(2)
_GRACE_S = 10.0  # a recorder may have a lot to write


@final
class Child:
    """`mpc ARGUMENTS` as a process in a group of its own, so that Ctrl-C reaches the launcher only.

    What it prints goes line by line to `say`, errors to `complain`; the line that begins with READY sets `ready`. environment:
    what it has beside ours; whom a service manager has asked of us for words is no business of its.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        say: Callable[[str], None],
        complain: Callable[[str], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.ready = threading.Event()
        self._say, self._complain = say, complain
        # -P: a folder named `sim` where the user happens to be must not be taken for ours.
        command = [sys.executable, "-P", "-m", "launch.cli", "--parent", str(os.getpid()), *arguments]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
            env={name: value for name, value in os.environ.items() if name not in VARIABLES} | dict(environment or {}),
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code once it has ended and all that it printed was passed on; None when it still runs."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(1.0)
        return code

    def stop(self) -> None:
        """End it, with the compilers that it may have started: politely, then by force."""
        if self.exit_code() is None:
            self._signal(signal.SIGTERM)
        if self.wait(_GRACE_S) is None:
            self._say(f"{self.name} did not stop within {_GRACE_S:g} s; killed")
            self._signal(signal.SIGKILL)
            self.wait(_GRACE_S)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # it has just ended

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            if line.startswith(READY) and not self.ready.is_set():
                self.ready.set()
            elif line.strip():
                tell = self._complain if line.startswith(_ERROR) else self._say
                tell(f"{self.name}: {line.rstrip()}")
        stream.close()


def follow_parent(parent: int) -> None:
    """Ask the kernel for a SIGTERM when the launcher dies, however it dies. Called by the child, first thing."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)  # the launcher died before the request


def describe_exit(code: int) -> str:
    """'exit code 3', or 'killed by SIGKILL'; signals without a name, such as those of real time, go by their number."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def wait_ready(children: Sequence[Child], timeout_s: float, stopped: Callable[[], bool]) -> Child | None:
    """Wait until all are ready or `stopped()`; the child that died or took too long instead, if one did."""
    deadline = time.monotonic() + timeout_s
    while not stopped():
        for child in children:
            if child.exit_code() is not None:
                return child
        waiting = [child for child in children if not child.ready.is_set()]
        if not waiting:
            return None
        if time.monotonic() > deadline:
            return waiting[0]
        waiting[0].ready.wait(0.05)
    return None
