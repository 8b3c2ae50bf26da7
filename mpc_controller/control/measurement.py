"""What a driver gives, as numbers that can be sent, and whether they may be used."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Robot

# An attitude sensor's own normalisation is good to far less; a dead one that gives zeros is far outside.
_UNIT_LENGTH = 0.1
# Half of the time after which a plant without sound measurements stops its robot.
_FROZEN_NS: Final = 50_000_000
# Numbers of a reading. An observation's frame has room for twice as many, the commands among them.
_LONGEST: Final = 4000


def as_vector(reading: object) -> Array:
    """A copy of the reading, which a driver may write over; empty unless it is a row of numbers that can be told."""
    try:
        vector = np.array(reading, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0)
    return vector if vector.ndim == 1 and vector.size <= _LONGEST else np.zeros(0)


def measured_quaternions(robot: Robot) -> tuple[list[int], ...]:
    """Where in Robot.measured the unit quaternions are."""
    names, measured = robot.dynamics.state_names, robot.measured
    starts = [start for start in robot.dynamics.manifold.quaternions if names[start] in measured]
    return tuple([measured.index(name) for name in names[start : start + 4]] for start in starts)


def are_unit(vector: Array, quaternions: Sequence[list[int]]) -> bool:
    """Whether these of its entries have unit length (to 10 %)."""
    return all(abs(np.linalg.norm(vector[block]) - 1.0) <= _UNIT_LENGTH for block in quaternions)


@final
class MeasurementCheck:
    """Sound readings have one finite number for each of Robot.measured, and unit quaternions (to 10 %).

    noisy: of Robot.measured those whose sensors never give exactly the same number for long; one that does so for 50 ms is
    frozen. Raises ValueError for one that is not measured.
    """

    def __init__(self, robot: Robot, noisy: Collection[str] = ()) -> None:
        measured = robot.measured
        self._measured, self._count = measured, len(measured)
        self._quaternions = measured_quaternions(robot)
        unknown = [name for name in noisy if name not in measured]
        if unknown:
            given = f"'{robot.name}' does not measure {', '.join(unknown)}, of noisy sensors"
            raise ValueError(f"{given}; it does {', '.join(measured)}")
        self._noisy = np.array([measured.index(name) for name in noisy], dtype=np.intp)
        self._last = np.full(len(noisy), np.nan)
        self._changed_ns = np.zeros(len(noisy), dtype=np.int64)

    def fault_of(self, vector: Array, now_ns: int = 0) -> str:
        """What is wrong with the reading of this tick in one phrase; '' when it is sound."""
        if vector.shape != (self._count,) or not np.isfinite(vector).all():
            return f"{self._count} finite numbers are needed"
        if not are_unit(vector, self._quaternions):
            return "a quaternion must have unit length"
        return self._frozen(vector, now_ns) if len(self._noisy) else ""

    def _frozen(self, vector: Array, now_ns: int) -> str:
        values = vector[self._noisy]
        self._changed_ns[values != self._last] = now_ns
        self._last = values
        still = self._noisy[now_ns - self._changed_ns >= _FROZEN_NS]
        return f"frozen: {', '.join(self._measured[i] for i in still)}" if len(still) else ""
