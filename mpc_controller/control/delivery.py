"""Whether plans get lost on their way."""

from __future__ import annotations

from collections import deque
from typing import Final, final

from mpc_controller.bus.messages import Observation

_WINDOW: Final = 64  # plans: less than a second at the usual rates
_LOSSY: Final = 0.1  # share of the window


@final
class DeliveryEstimate:
    """The share of our last plans that the plant never followed, by their sequences in observations.

    Everything comes from observations, so a replay sees the same. Plans that were skipped while another one was followed count
    as lost; where nothing of ours is followed, nothing is counted.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._followed: deque[bool] = deque(maxlen=_WINDOW)
        self._last = 0

    def observe(self, observation: Observation) -> None:
        """Take in which plan made the command."""
        if observation.plan_epoch != self._epoch or observation.plan_sequence <= self._last:
            return
        if self._last:
            self._followed.extend([False] * min(observation.plan_sequence - self._last - 1, _WINDOW))
        self._followed.append(True)
        self._last = observation.plan_sequence

    @property
    def is_lossy(self) -> bool:
        """Whether more than a tenth was lost, of at least half a window."""
        count = len(self._followed)
        return 2 * count >= _WINDOW and self._followed.count(False) > _LOSSY * count
