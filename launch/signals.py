"""Ctrl-C, SIGTERM and a closed terminal as a question that loops can ask."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self, final

from launch.start_signals import NUMBERS, has_come, note


@final
class StopSignals:
    """While entered, a signal sets what `requested()` tells.

    interrupt: raise KeyboardInterrupt at once instead, for set-up code that asks no questions; `polite()` ends that.
    """

    def __init__(self, interrupt: bool = False) -> None:
        self._interrupt = interrupt
        self._requested = False

    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._requested

    def within(self, duration_s: float | None) -> Callable[[], bool]:
        """Like `requested`, and true too once the duration, counted from now, has passed (None: it never does)."""
        if duration_s is None:
            return self.requested
        end_s = time.monotonic() + duration_s
        return lambda: self._requested or time.monotonic() >= end_s

    def polite(self) -> None:
        """From here on someone asks `requested()`."""
        self._interrupt = False

    def __enter__(self) -> Self:
        self._requested |= has_come()  # one that an import swallowed
        self._before = {number: signal.signal(number, self._handle) for number in NUMBERS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._requested = True
        if self._interrupt:
            note()
            raise KeyboardInterrupt
