"""How long a plan takes from the observation that it answers to the robot."""

from __future__ import annotations

import math
from collections import deque
from typing import final

from mpc_controller.bus.messages import Observation

_WINDOW = 64  # plans: less than a second at the usual rates
_SHARE = 0.9  # of the window that took no longer


@final
class LatencyEstimate:
    """The 90th percentile of the latencies that the plant measured for the last plans, within [0, `longest_ns`].

    Everything comes from observations, so a replay sees the same. Before the first measurement it is 0. The first plan of an
    epoch is left out: it iterates from nothing and says little about the next ones. So are those of other controllers.
    """

    def __init__(self, longest_ns: int, epoch: int) -> None:
        self._longest_ns, self._epoch = longest_ns, epoch
        self._window: deque[int] = deque(maxlen=_WINDOW)
        self._last_sequence = 1

    def observe(self, observation: Observation) -> None:
        """Take in the latency of the plan that is being followed, once for each plan."""
        if observation.plan_epoch != self._epoch or observation.latency_ns < 0:
            return
        if observation.plan_sequence > self._last_sequence:
            self._window.append(observation.latency_ns)
            self._last_sequence = observation.plan_sequence

    @property
    def value_ns(self) -> int:
        if not self._window:
            return 0
        return min(sorted(self._window)[math.ceil(_SHARE * len(self._window)) - 1], self._longest_ns)
