"""What a driver gives, as numbers that can be sent, and whether they may be used."""

from __future__ import annotations

from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Robot

# An attitude sensor's own normalisation is good to far less; a dead one that gives zeros is far outside.
_UNIT_LENGTH = 0.1


def as_vector(reading: object) -> Array:
    """A copy of the reading, which a driver may write over; empty unless it is a row of numbers."""
    try:
        vector = np.array(reading, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0)
    return vector if vector.ndim == 1 else np.zeros(0)


@final
class MeasurementCheck:
    """Sound readings have one finite number for each of Robot.measured, and unit quaternions (to 10 %)."""

    def __init__(self, robot: Robot) -> None:
        names, measured = robot.dynamics.state_names, robot.measured
        self._count = len(measured)
        self._quaternions = [
            np.array([measured.index(name) for name in names[start : start + 4]])
            for start in robot.dynamics.manifold.quaternions
            if names[start] in measured
        ]

    def fault_of(self, vector: Array) -> str:
        """What is wrong with it in one phrase; '' when it is sound."""
        if vector.shape != (self._count,) or not np.isfinite(vector).all():
            return f"{self._count} finite numbers are needed"
        for block in self._quaternions:
            if abs(np.linalg.norm(vector[block]) - 1.0) > _UNIT_LENGTH:
                return "a quaternion must have unit length"
        return ""
