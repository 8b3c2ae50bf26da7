"""When a plan is due, by the observations' own clock: the same answer on both ends of the bus."""

from __future__ import annotations

from typing import final


@final
class Pace:
    """Due at once, then once a period; half a tick early counts as on time, so that periods of whole ticks do not slip.

    A plan that was late, since the observation that it was due for was lost, does not put off the next one: periods are counted
    from when it was due, unless a whole one was missed.
    """

    def __init__(self, period_ns: int, tick_ns: int) -> None:
        self._period_ns, self._early_ns = period_ns, tick_ns // 2
        self._due_ns: int | None = None

    def is_due(self, time_ns: int) -> bool:
        return self._due_ns is None or time_ns >= self._due_ns - self._early_ns

    def planned(self, time_ns: int) -> None:
        """A plan was made for the observation of this time."""
        late_ns = 0 if self._due_ns is None else time_ns - self._due_ns
        is_slightly_late = self._early_ns < late_ns < self._period_ns
        self._due_ns = time_ns + self._period_ns - (late_ns if is_slightly_late else 0)
