"""The compiled model against closed forms and differences."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.control.predictor import Predictor
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.robot import Robot
from tests.control.machines import sled, top, transition


def test_step_and_jacobians_of_a_linear_model_are_its_matrices():
    predictor = Predictor(sled().dynamics, RungeKutta4())
    A, B, E = transition(2.0, 0.03)
    x, u, d = np.array([0.3, -1.2]), np.array([4.0]), 0.7
    x_next, *jacobians = predictor.linearize(x, u, np.array([2.0, d]), 0.03)
    np.testing.assert_allclose(x_next, A @ x + B @ u + E[:, 0] * d, atol=1e-14)
    np.testing.assert_allclose(predictor.step(x, u, np.array([2.0, d]), 0.03), x_next, atol=1e-15)
    for given, expected in zip(jacobians, (A, B, E), strict=True):
        np.testing.assert_allclose(given, expected, atol=1e-14)


@pytest.mark.parametrize("robot", [sled(), top()], ids=lambda r: r.name)
def test_tangent_jacobians_are_the_differences_of_steps(robot: Robot):
    dynamics, manifold = robot.dynamics, robot.dynamics.manifold
    predictor = Predictor(dynamics, RungeKutta4())
    random = np.random.default_rng(0)
    x = manifold.normalized(random.standard_normal(dynamics.nx))
    u = random.standard_normal(dynamics.nu)
    p = dynamics.parameters.values
    p[dynamics.nominal.np :] = random.standard_normal(len(dynamics.channels))
    x_next, *jacobians = predictor.linearize(x, u, p, 0.05)

    def moved(dx: np.ndarray, du: np.ndarray, dd: np.ndarray) -> np.ndarray:
        shifted = p + np.concatenate([np.zeros(dynamics.nominal.np), dd])
        return manifold.difference(predictor.step(manifold.retract(x, dx), u + du, shifted, 0.05), x_next)

    sizes = manifold.ndx, dynamics.nu, len(dynamics.channels)
    h = 1e-6
    for i, jacobian in enumerate(jacobians):
        for j in range(sizes[i]):
            step = [np.zeros(n) for n in sizes]
            step[i][j] = h
            difference = (moved(*step) - moved(*(-s for s in step))) / (2 * h)
            np.testing.assert_allclose(jacobian[:, j], difference, atol=1e-8)


def test_quaternions_come_back_with_unit_length():
    robot = top()
    x = np.array([1.0, 0.0, 0.0, 0.0, 30.0, -20.0, 10.0])
    x_next = Predictor(robot.dynamics, RungeKutta4()).step(x, np.zeros(3), robot.dynamics.parameters.values, 0.05)
    assert np.linalg.norm(x_next[:4]) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize(("robot", "slow"), [(sled(), ("disturbance.q_dot", "mass")), (top(), ("inertia",))])
def test_derivatives_by_any_parameters_are_the_differences_of_steps(robot: Robot, slow: tuple[str, ...]):
    dynamics, manifold = robot.dynamics, robot.dynamics.manifold
    predictor = Predictor(dynamics, RungeKutta4(), slow=slow)
    assert predictor.slow == slow
    random = np.random.default_rng(1)
    x, u = manifold.normalized(random.standard_normal(dynamics.nx)), random.standard_normal(dynamics.nu)
    p = dynamics.parameters.values
    p[dynamics.nominal.np :] = random.standard_normal(len(dynamics.channels))
    x_next, _, _, E = predictor.linearize(x, u, p, 0.05)
    np.testing.assert_allclose(x_next, predictor.step(x, u, p, 0.05), atol=1e-15)
    for j, name in enumerate(slow):
        step = np.zeros(dynamics.np)
        step[dynamics.parameters.index(name)] = 1e-6
        ends = [predictor.step(x, u, p + sign * step, 0.05) for sign in (1, -1)]
        np.testing.assert_allclose(E[:, j], manifold.difference(*ends) / 2e-6, atol=1e-8)
