"""Follows a plan between two plans, at the robot's own rate."""

from __future__ import annotations

from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Robot
from mpc_controller.solvers.trajectory import Trajectory


@final
class Tracker:
    """u = u*(t) + K(t) (x ⊟ x*(t)), saturated to the robot's control range.

    What the sensors do not see counts as being on the plan (zero error). Saturation is normal operation: a plan that uses the
    full range leaves nothing for feedback.
    """

    def __init__(self, robot: Robot) -> None:
        self._manifold = robot.dynamics.manifold
        self._measured = robot.measured_indices
        self._lower, self._upper = robot.control_lower, robot.control_upper

    def command(self, plan: Trajectory, gains: Array, time_ns: int, measured: Array) -> Array:
        """(nu,) for measured states (in the order of Robot.measured); gains (N, nu, ndx)."""
        wanted, feedforward = plan.at(time_ns)
        state = wanted.copy()
        state[self._measured] = measured
        error = self._manifold.difference(state, wanted)
        command = feedforward + gains[plan.interval(time_ns)] @ error
        return np.asarray(np.minimum(np.maximum(command, self._lower), self._upper))
