"""Linear drag of a base that translates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import mujoco

from sim.hidden_effect import HiddenEffect


@final
class LinearDrag(HiddenEffect):
    """Force −c v on degrees of freedom along world axes."""

    def __init__(self, dofs: Sequence[int], coefficient: float) -> None:
        self._dofs, self._coefficient = list(dofs), coefficient

    def act(self, data: mujoco.MjData) -> None:
        data.qfrc_applied[self._dofs] -= self._coefficient * data.qvel[self._dofs]
