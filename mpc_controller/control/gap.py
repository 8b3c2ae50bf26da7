"""The time between two observations, which estimators bridge by prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

_LONGEST_STEP_S = 0.02  # one step of the integrator: as long as a robot's slowest plant period


@final
@dataclass(frozen=True)
class Gap:
    """`seconds` in `steps` equal steps of `dt` [s], none longer than 20 ms, and as many as there were ticks of `tick_s`."""

    seconds: float
    tick_s: float = math.inf

    @staticmethod
    def between(earlier_ns: int, later_ns: int, tick_s: float = math.inf) -> Gap:
        return Gap((later_ns - earlier_ns) * 1e-9, tick_s)

    @property
    def steps(self) -> int:
        return max(math.ceil(self.seconds / _LONGEST_STEP_S), round(self.seconds / self.tick_s))

    @property
    def dt(self) -> float:
        return self.seconds / self.steps if self.steps else 0.0

    def too_long(self, longest_s: float) -> str:
        """Why it can't be bridged, as a note for an estimate; '' when it can."""
        return "" if 0 <= self.seconds <= longest_s else f"started anew after {self.seconds:.3f} s without observations"
