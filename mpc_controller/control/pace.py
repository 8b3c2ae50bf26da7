"""When a plan is due, by the observations' own clock: the same answer on both ends of the bus."""

from __future__ import annotations

from typing import final


@final
class Pace:
    """Due at once, then once a period; half a tick early counts as on time, so that periods of whole ticks do not slip."""

    def __init__(self, period_ns: int, tick_ns: int) -> None:
        self._wait_ns = period_ns - tick_ns // 2
        self._planned_ns: int | None = None

    def is_due(self, time_ns: int) -> bool:
        return self._planned_ns is None or time_ns - self._planned_ns >= self._wait_ns

    def planned(self, time_ns: int) -> None:
        """A plan was made for the observation of this time."""
        self._planned_ns = time_ns
