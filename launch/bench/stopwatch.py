"""How long a call takes, on a machine that others use too."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from typing import final


@final
@dataclass
class Stopwatch:
    """Times of calls [µs]: the wall clock's, or this thread's processor time of a call during which the kernel gave the core to
    somebody else. `interrupted` counts those."""

    interrupted: int = 0
    _switches: int = field(default=0, init=False)
    _own_ns: int = field(default=0, init=False)
    _wall_ns: int = field(default=0, init=False)

    def start(self) -> None:
        self._switches = _switches()
        self._own_ns = time.thread_time_ns()
        self._wall_ns = time.perf_counter_ns()

    def stop(self) -> float:
        """Since the last start."""
        wall_ns = time.perf_counter_ns() - self._wall_ns
        own_ns = time.thread_time_ns() - self._own_ns
        if _switches() == self._switches:
            return wall_ns * 1e-3
        self.interrupted += 1
        return own_ns * 1e-3


def _switches() -> int:
    """How often this thread lost the core so far without waiting for anything."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
