"""Whether plans get lost on their way."""

from __future__ import annotations

from collections import deque
from typing import Final, final

from mpc_controller.bus.messages import Observation

_WINDOW: Final = 64  # plans: less than a second at the usual rates
_LOSSY: Final = 0.1  # share of the window
# Plans in a row, some seconds: of plans that are sent several times few get lost, on a network as bad as before.
_CALM: Final = 512


@final
class DeliveryEstimate:
    """Which of our plans the plant never followed, by their sequences in observations.

    Everything comes from observations, so a replay sees the same. Plans that were skipped while another one was followed count
    as lost, but for those of failed solves; where nothing of ours is followed, nothing is counted.

    is_lossy: from when more than a tenth was lost, of at least half a window, until `_CALM` in a row were not.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._followed: deque[bool] = deque(maxlen=_WINDOW)
        self._in_a_row = 0
        self._last = 0
        self._failed: deque[int] = deque(maxlen=_WINDOW)  # sequences
        self.is_lossy = False

    def failed(self, sequence: int) -> None:
        """A plan that nobody will follow."""
        self._failed.append(sequence)

    def observe(self, observation: Observation) -> None:
        """Take in which plan made the command."""
        if observation.plan_epoch != self._epoch or observation.plan_sequence <= self._last:
            return
        lost = observation.plan_sequence - self._last - 1 if self._last else 0
        lost -= min(sum(self._last < sequence < observation.plan_sequence for sequence in self._failed), lost)
        self._followed.extend([False] * min(lost, _WINDOW))
        self._followed.append(True)
        self._in_a_row = 0 if lost else self._in_a_row + 1
        self._last = observation.plan_sequence
        count = len(self._followed)
        if 2 * count >= _WINDOW and self._followed.count(False) > _LOSSY * count:
            self.is_lossy = True
        elif self._in_a_row >= _CALM:
            self.is_lossy = False
