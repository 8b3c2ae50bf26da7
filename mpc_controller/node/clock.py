"""When the plant's next tick is, and what time it is then."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable
from typing import final


class Clock(abc.ABC):
    """The plant's clock, tick by tick; it begins with the first one. `overruns` counts those whose time had passed when they
    were asked for; `late_ns` is how much later than its time the last tick began."""

    overruns: int = 0
    late_ns: int = 0

    @abc.abstractmethod
    def tick(self) -> int:
        """Wait for the next tick; the plant's time then [ns]."""


@final
class SteadyClock(Clock):
    """For real robots: ticks at absolute times start + k·period. Ticks that were missed are skipped, never caught up with."""

    def __init__(
        self,
        period_ns: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self._period_ns, self._now_ns, self._sleep_s = period_ns, now_ns, sleep_s
        self._next_ns: int | None = None

    def tick(self) -> int:
        if self._next_ns is None:
            self._next_ns = self._now_ns()
        wait_ns = self._next_ns - self._now_ns()
        if wait_ns > 0:
            self._sleep_s(wait_ns * 1e-9)
        now_ns = self._now_ns()
        self.late_ns = max(0, now_ns - self._next_ns)
        missed = self.late_ns // self._period_ns
        self.overruns += missed
        self._next_ns += (missed + 1) * self._period_ns
        return now_ns


@final
class SimulationClock(Clock):
    """For simulators, which advance by one period a tick: time is start + k·period, whatever the wall clock says.

    In real time it is paced by the wall clock; a late tick delays the ones after it, so the simulation falls behind by the
    overrun and its time stays that of its physics. Otherwise it never waits and starts at 0.
    """

    def __init__(
        self,
        period_ns: int,
        real_time: bool,
        now_ns: Callable[[], int] = time.monotonic_ns,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self._period_ns, self._real_time, self._now_ns, self._sleep_s = period_ns, real_time, now_ns, sleep_s
        self._wall_ns = 0
        self._time_ns = None if real_time else 0

    def tick(self) -> int:
        if self._time_ns is None:
            self._time_ns = self._wall_ns = self._now_ns()
        time_ns = self._time_ns
        self._time_ns += self._period_ns
        if self._real_time:
            self._pace()
        return time_ns

    def _pace(self) -> None:
        wait_ns = self._wall_ns - self._now_ns()
        if wait_ns > 0:
            self._sleep_s(wait_ns * 1e-9)
        late_ns = self.late_ns = max(0, self._now_ns() - self._wall_ns)
        if late_ns >= self._period_ns:
            self.overruns += late_ns // self._period_ns
            self._wall_ns += late_ns
        self._wall_ns += self._period_ns


@final
class RisingTime:
    """Of a clock that may stand still or go back: its time, shifted such that each tick is later than the one before.

    Ages are differences of it: with a clock that went back, no plan and no measurement would grow old any more.
    """

    def __init__(self, tick_ns: int) -> None:
        self._tick_ns = tick_ns
        self._shift_ns = 0
        self._last_ns: int | None = None

    def of(self, clock_ns: int) -> tuple[int, int]:
        """The time, a tick after the last one where the clock did not rise, and by how much it went back (0: it rose)."""
        now_ns, back_ns = clock_ns + self._shift_ns, 0
        if self._last_ns is not None and now_ns <= self._last_ns:
            back_ns = self._last_ns + self._tick_ns - now_ns
            self._shift_ns += back_ns
            now_ns += back_ns
        self._last_ns = now_ns
        return now_ns, back_ns
