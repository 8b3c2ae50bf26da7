"""The arm in numbers, through Pinocchio: a few microseconds a call, for laws and errors that are evaluated in a loop."""

from __future__ import annotations

from typing import final

import numpy as np
import pinocchio

from mpc_controller.arrays import Array
from robots.arm.dynamics import MJCF, TOOL


@final
class NumericArm:
    """Gravity and tool position at joint angles q (7,) [rad], without payload."""

    def __init__(self) -> None:
        self._model = pinocchio.buildModelFromMJCF(str(MJCF))
        self._data = self._model.createData()
        self._tool = self._model.getFrameId(TOOL)

    def gravity_torque(self, q: Array) -> Array:
        """(7,) [N m]: what holds the arm still."""
        return np.array(pinocchio.computeGeneralizedGravity(self._model, self._data, q))

    def tool_position(self, q: Array) -> Array:
        """(3,) [m] in the world."""
        pinocchio.forwardKinematics(self._model, self._data, q)
        return np.array(pinocchio.updateFramePlacement(self._model, self._data, self._tool).translation)
