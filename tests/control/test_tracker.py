"""u = u*(t) + K(t)(x ⊟ x*(t)) by hand."""

from __future__ import annotations

import numpy as np

from mpc_controller.control.tracker import Tracker
from mpc_controller.solvers.trajectory import Trajectory
from tests.control.machines import MS, sled, top


def ramp() -> Trajectory:
    manifold = sled().dynamics.manifold
    return Trajectory(manifold, np.array([0, 100, 200]) * MS, np.array([[0.0, 1], [1, 1], [2, 1]]), np.array([[3.0], [4.0]]))


def test_command_is_feedforward_and_feedback_at_that_time():
    gains = np.array([[[-2.0, -7.0]], [[-5.0, -7.0]]])
    command = Tracker(sled()).command(ramp(), gains, 150 * MS, np.array([1.8]))
    np.testing.assert_allclose(command, 4.0 - 5.0 * (1.8 - 1.5), atol=1e-12)  # the velocity is not measured: no error


def test_command_is_saturated_to_the_range():
    gains = np.full((2, 1, 2), -1000.0)
    assert Tracker(sled()).command(ramp(), gains, 0, np.array([1.0]))[0] == -20.0
    assert Tracker(sled()).command(ramp(), gains, 0, np.array([-1.0]))[0] == 20.0


def test_attitude_errors_are_rotation_vectors_whatever_the_sign_of_the_quaternion():
    robot = top()
    states = np.tile([1.0, 0, 0, 0, 0, 0, 0], (2, 1))
    plan = Trajectory(robot.dynamics.manifold, np.array([0, 10 * MS]), states, np.zeros((1, 3)))
    gains = -np.hstack([np.eye(3), np.eye(3)])[None]
    turned = np.array([np.cos(0.1), 0.0, np.sin(0.1), 0.0])  # 0.2 rad about y
    for measured in (turned, -turned):
        command = Tracker(robot).command(plan, gains, 5 * MS, measured)
        np.testing.assert_allclose(command, [0.0, -0.2, 0.0], atol=1e-9)
