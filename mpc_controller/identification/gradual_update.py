"""What to tell a running controller of the parameters that are being learned: late enough to be sure, in steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Estimated, Standing

_SIGNIFICANT = 1.0  # half-widths of the 95 % interval between what was told and what is estimated
_LARGEST_STEP = 0.1  # of a parameter's spread


@final
class GradualUpdate:
    """Follows the estimates from the values that the controller has, in updates of limited size.

    A parameter is moved once it is known to better than half its spread, and what the controller has lies outside its
    95 % interval; then until the estimate is reached. All that move go the same fraction of their way, so that values that
    belong together stay so, and none further than a tenth of its spread.
    """

    def __init__(self, told: Mapping[str, float], spread: Mapping[str, float]) -> None:
        """told: the values that the controller starts with, of all that are learned; spread: how uncertain they can be."""
        self.told = dict(told)
        self._limit = {name: _LARGEST_STEP * std for name, std in spread.items()}
        self._moving: set[str] = set()

    def hear(self, values: Mapping[str, float]) -> None:
        """The controller was told these by whomever."""
        self.told |= {name: value for name, value in values.items() if name in self.told}

    def next(self, estimates: Sequence[Estimated]) -> dict[str, float]:
        """Values to tell now; {} when there is nothing to say."""
        self._moving |= {e.name for e in estimates if self._is_significant(e)}
        moving = [e for e in estimates if e.name in self._moving]
        if not moving:
            return {}
        distance: Array = np.array([e.value - self.told[e.name] for e in moving])
        limits = np.array([self._limit[e.name] for e in moving])
        fraction = float(min(1.0, (limits / np.maximum(np.abs(distance), 1e-300)).min()))
        if fraction == 1.0:
            self._moving.clear()
            return {e.name: e.value for e in moving}
        return {e.name: self.told[e.name] + fraction * float(d) for e, d in zip(moving, distance, strict=True)}

    def _is_significant(self, e: Estimated) -> bool:
        is_seen = e.standing in (Standing.IDENTIFIED, Standing.AT_BOUND)
        return is_seen and abs(e.value - self.told[e.name]) > _SIGNIFICANT * e.half_width
