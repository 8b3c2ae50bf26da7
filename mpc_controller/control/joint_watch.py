"""The joints of a measurement, each against its limits."""

from __future__ import annotations

from typing import final

from mpc_controller.arrays import Array
from mpc_controller.control.safety_gate import motion_faults
from mpc_controller.robot import Robot


@final
class JointWatch:
    """Finds the states of Robot.joint_limits among the measured ones. ValueError for one that is not measured."""

    def __init__(self, robot: Robot) -> None:
        self._limits = robot.joint_limits
        self._positions = _places(robot, [joint.position for joint in robot.joint_limits])
        self._velocities = _places(robot, [joint.velocity for joint in robot.joint_limits])

    def faults(self, measured: Array, was_braked: bool) -> tuple[str, ...]:
        """Why the robot must brake (control/safety_gate.py), from what was measured in the order of Robot.measured."""
        if not self._limits:
            return ()
        values = measured.tolist()
        positions, velocities = [values[i] for i in self._positions], [values[i] for i in self._velocities]
        return motion_faults(self._limits, positions, velocities, was_braked)


def _places(robot: Robot, names: list[str]) -> list[int]:
    missing = [name for name in names if name not in robot.measured]
    if missing:
        raise ValueError(f"joint limits of {robot.name} for {', '.join(missing)}; only measured states can have some")
    return [robot.measured.index(name) for name in names]
