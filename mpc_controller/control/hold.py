"""What keeps the robot still when there is nothing to follow."""

from __future__ import annotations

from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Robot

# Share of a joint's range by which the place stays inside of it: gravity and friction leave an impedance law short of it.
_INSIDE = 0.01


@final
class Hold:
    """Robot.hold about one place: the state that the last plan wanted when the hold began.

    Without a plan (at the start, after a stop) it is where the robot was first measured since; unmeasured entries are then at
    rest. When the safety gate made the robot brake it is where the robot was then. It is always within Robot.joint_limits. The
    command is Robot.neutral until there is a measurement, and without a plan for robots that are `passive_without_plan`.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._rest = np.zeros(robot.dynamics.nx)
        self._rest[list(robot.dynamics.manifold.quaternions)] = 1.0
        self._place: Array | None = None

    def begin(self, planned: Array | None, braked_at: Array | None = None) -> None:
        """From now on about the planned state (nx,), or about where the robot is (None); `braked_at`: the measured states at
        which it was told to brake, unless it was not."""
        if planned is not None and braked_at is not None:
            planned = self._with(planned, braked_at)
        self._place = None if planned is None else self._allowed(planned)

    def command(self, measured: Array | None) -> Array:
        """(nu,) for the measured states, in the order of Robot.measured; None when there never were any."""
        robot = self._robot
        if measured is None or (self._place is None and robot.passive_without_plan):
            return robot.neutral
        if self._place is None:
            self._place = self._allowed(self._with(self._rest, measured))
        return np.asarray(robot.hold(self._with(self._place, measured), self._place))

    def here(self, measured: Array | None) -> Array:
        """(nu,) What would keep it where it is measured: of a robot that holds by its own means, this goes on from."""
        robot = self._robot
        if measured is None or robot.passive_without_plan:
            return robot.neutral
        place = self._allowed(self._with(self._rest, measured))
        return np.asarray(robot.hold(self._with(place, measured), place))

    def _allowed(self, state: Array) -> Array:
        """The nearest state (nx,) within the joint limits."""
        result = state.copy()
        for limit in self._robot.joint_limits:
            i, margin = self._robot.dynamics.state_names.index(limit.position), _INSIDE * (limit.upper - limit.lower)
            result[i] = min(max(state[i], limit.lower + margin), limit.upper - margin)
        return result

    def _with(self, state: Array, measured: Array) -> Array:
        result = state.copy()
        result[self._robot.measured_indices] = measured
        return result
