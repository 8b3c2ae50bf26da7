"""Robots whose measured states are joint angles and rates, in the order that a robot has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.drivers.error import UnsuitableRobotError
from mpc_controller.robot import Robot


@final
@dataclass(frozen=True)
class JointStates:
    """Where `count` angles [rad] and rates [rad/s] stand in the order of Robot.measured; no rates where none are measured."""

    count: int
    angles: tuple[int, ...]
    rates: tuple[int, ...]

    @staticmethod
    def of(robot: Robot, count: int) -> JointStates:
        """The k-th angle and rate are the k-th joint's. Raises UnsuitableRobotError."""
        names, units = robot.dynamics.state_names, robot.dynamics.state_units
        measured = [units[names.index(name)] for name in robot.measured]
        angles = tuple(k for k, unit in enumerate(measured) if unit == "rad")
        rates = tuple(k for k, unit in enumerate(measured) if unit == "rad/s")
        if len(angles) != count or len(rates) not in (0, count) or len(angles) + len(rates) != len(measured):
            have = f"{len(angles)} angles, {len(rates)} rates and {len(measured) - len(angles) - len(rates)} others"
            raise UnsuitableRobotError(
                f"'{robot.name}' measures {have}; {count} joints give {count} angles [rad], and as many rates [rad/s] or none"
            )
        return JointStates(count, angles, rates)

    def reading(self, angles: Array, rates: Array) -> Array:
        """What Robot.measured is, from angles (count,) and rates (count,)."""
        vector = np.empty(len(self.angles) + len(self.rates))
        vector[list(self.angles)] = angles
        if self.rates:
            vector[list(self.rates)] = rates
        return vector


def check_controls(robot: Robot, count: int, unit: str) -> None:
    """Refuse a robot that is not commanded by `count` numbers in `unit`. Raises UnsuitableRobotError."""
    units = robot.dynamics.control_units
    if tuple(units) != (unit,) * count:
        given = f"{len(units)} controls in {', '.join(dict.fromkeys(units))}"
        raise UnsuitableRobotError(f"'{robot.name}' has {given}; this driver, as configured, takes {count} in {unit}")
