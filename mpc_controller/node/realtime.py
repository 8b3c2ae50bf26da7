"""Keeps a loop's process from being held up: by the scheduler and by Python's garbage collector."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def real_time(priority: int) -> Iterator[str]:
    """Run the body without the cyclic garbage collector and, for priority 1..99, under SCHED_FIFO.

    Gives '' or one line that says why SCHED_FIFO is not permitted; the loop runs all the same.
    """
    problem = _use_fifo(priority) if priority else ""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield problem
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
        if priority and not problem:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def collect_young() -> None:
    """What the disabled collector would have done often: tens of microseconds, after gc.freeze()."""
    gc.collect(0)


def _use_fifo(priority: int) -> str:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, ValueError) as error:
        return f"SCHED_FIFO with priority {priority} is not permitted ({error}); see `mpc doctor`"
    return ""
