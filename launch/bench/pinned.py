"""A quiet place to measure in: one core, no garbage collection."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator


def chosen_core() -> int:
    """The last of those that this process may use: the first ones get most of the interrupts."""
    return max(os.sched_getaffinity(0))


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """This process, and the children that it starts, on the chosen core, without garbage collection."""
    before, collects = os.sched_getaffinity(0), gc.isenabled()
    gc.collect()
    gc.disable()
    os.sched_setaffinity(0, {chosen_core()})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        if collects:
            gc.enable()
