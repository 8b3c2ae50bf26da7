"""The cart-pole's model against MuJoCo, and its hold law."""

import math

import mujoco
import numpy as np
import pytest

from robots import load_robot
from sim.mjcf import load_mjcf

ROBOT = load_robot("cartpole")
STEP = 1 / ROBOT.plant_rate_hz


def simulate(x: np.ndarray, seconds: float, planned: np.ndarray) -> np.ndarray:
    """MuJoCo under the hold law."""
    model = load_mjcf(ROBOT)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = x[:2], x[2:]
    for _ in range(round(seconds / STEP)):
        data.ctrl[:] = ROBOT.hold(np.concatenate([data.qpos, data.qvel]), planned)
        mujoco.mj_step(model, data)
    return np.concatenate([data.qpos, data.qvel])


def test_accelerations_are_mujocos_on_random_states():
    model = load_mjcf(ROBOT)
    data = mujoco.MjData(model)
    f, rng = ROBOT.dynamics.function(), np.random.default_rng(0)
    for _ in range(100):
        x, u = rng.uniform(-5, 5, 4), rng.uniform(-20, 20, 1)
        data.qpos[:], data.qvel[:], data.ctrl[:] = x[:2], x[2:], u
        mujoco.mj_forward(model, data)
        xdot = f(x, u, ROBOT.dynamics.parameters.values).full().ravel()
        np.testing.assert_allclose(xdot, np.concatenate([data.qvel, data.qacc]), atol=1e-8)


def test_upright_and_hanging_are_at_rest():
    f, p = ROBOT.dynamics.function(), ROBOT.dynamics.parameters.values
    for angle in (0.0, math.pi):
        np.testing.assert_allclose(f([0.3, angle, 0.0, 0.0], 0.0, p).full(), 0.0, atol=1e-12)


def test_hold_brings_the_cart_back_to_the_planned_position_with_the_pole_up():
    planned = np.array([0.3, 0.0, 0.0, 0.0])
    end = simulate(np.array([0.1, 0.2, 0.0, -0.3]), 8.0, planned)
    np.testing.assert_allclose(end, planned, atol=0.01)


def test_hold_balances_a_pole_that_went_round_several_times():
    end = simulate(np.array([0.0, 4 * math.pi + 0.1, 0.0, 0.0]), 8.0, np.zeros(4))
    np.testing.assert_allclose(end, [0.0, 4 * math.pi, 0.0, 0.0], atol=0.01)


@pytest.mark.parametrize("angle", [0.5, -0.5, math.pi, 2 * math.pi - 0.5])
def test_hold_lets_go_of_a_pole_that_is_not_near_upright(angle):
    assert ROBOT.hold(np.array([0.5, angle, 1.0, 1.0]), np.zeros(4)) == 0.0


def test_errors_take_the_shorter_way_round():
    errors = ROBOT.tasks["swing-up"]().errors(np.array([0.2, 2 * math.pi - 0.1, 0.0, 0.0]), np.zeros(2))
    assert errors == pytest.approx({"angle_rad": -0.1, "position_m": 0.2})


def test_the_step_task_moves_the_cart_while_the_pole_is_wanted_upright():
    rows = ROBOT.tasks["step"]().reference(np.array([0.0, 3.9, 4.1, 8.1]))
    np.testing.assert_array_equal(rows, [[0.4, 0.0], [0.4, 0.0], [-0.4, 0.0], [0.4, 0.0]])
