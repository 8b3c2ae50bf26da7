"""The cart-pole's model against MuJoCo, and its hold law."""

import math
from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from robots import load_robot
from sim.mjcf import load_mjcf

ROBOT = load_robot("cartpole")
STEP = 1 / ROBOT.plant_rate_hz


RAIL_END = 1.3


def simulate(x: np.ndarray, seconds: float, law: Callable[[np.ndarray], np.ndarray | float]) -> np.ndarray:
    """(steps + 1, 4) states of MuJoCo under a law x → u."""
    model = load_mjcf(ROBOT)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = x[:2], x[2:]
    states = [np.array(x, dtype=float)]
    for _ in range(round(seconds / STEP)):
        data.ctrl[:] = law(states[-1])
        mujoco.mj_step(model, data)
        states.append(np.concatenate([data.qpos, data.qvel]))
    return np.array(states)


def held(x: np.ndarray, seconds: float, planned: np.ndarray) -> np.ndarray:
    """The same under the hold law."""
    return simulate(x, seconds, lambda state: ROBOT.hold(state, planned))


def test_accelerations_are_mujocos_on_random_states():
    model = load_mjcf(ROBOT)
    data = mujoco.MjData(model)
    f, rng = ROBOT.dynamics.function(), np.random.default_rng(0)
    for _ in range(100):
        x, u = rng.uniform(-5, 5, 4), rng.uniform(-20, 20, 1)
        x[0] *= 0.9 * RAIL_END / 5  # the model leaves out the rail's ends
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
    end = held(np.array([0.1, 0.2, 0.0, -0.3]), 8.0, planned)[-1]
    np.testing.assert_allclose(end, planned, atol=0.01)


def test_hold_balances_a_pole_that_went_round_several_times():
    end = held(np.array([0.0, 4 * math.pi + 0.1, 0.0, 0.0]), 8.0, np.zeros(4))[-1]
    np.testing.assert_allclose(end, [0.0, 4 * math.pi, 0.0, 0.0], atol=0.01)


@pytest.mark.parametrize("angle", [0.5, -0.5, math.pi, 2 * math.pi - 0.5])
@pytest.mark.parametrize(("velocity", "force"), [(0.0, 0.0), (0.1, -4.0), (-3.0, 20.0)])
def test_hold_only_brakes_the_cart_while_the_pole_is_not_near_upright(angle, velocity, force):
    assert ROBOT.hold(np.array([0.5, angle, velocity, 1.0]), np.zeros(4)) == pytest.approx([force])


@pytest.mark.parametrize("angle", [math.pi, -2.0])
@pytest.mark.parametrize("velocity", [1.0, 2.0, -3.0])
def test_hold_stops_a_running_cart_within_half_a_metre(angle, velocity):
    states = held(np.array([0.0, angle, velocity, 0.0]), 4.0, np.zeros(4))
    assert np.abs(states[:, 0]).max() < 0.5
    assert np.abs(states[-500:, 2]).max() < 0.2  # the last second: what swings on is the pole


@pytest.mark.parametrize("rate", [-14.0, -9.0, 7.0, 12.0])
def test_hold_does_not_chase_a_pole_that_goes_round_off_the_rail(rate):
    for angle in (-2.0, 0.0, 1.0):
        states = held(np.array([0.5, angle, 0.0, rate]), 4.0, np.zeros(4))
        assert np.abs(states[:, 0]).max() < RAIL_END - 0.1


@pytest.mark.parametrize("force", [-20.0, 20.0])
def test_the_rail_ends_stop_a_cart_that_is_driven_against_them(force):
    start = np.array([math.copysign(0.9, force), math.pi, math.copysign(2.0, force), 0.0])
    states = simulate(start, 3.0, lambda state: force)
    assert RAIL_END - 0.01 < np.abs(states[:, 0]).max() < RAIL_END + 0.02
    assert np.abs(states[-1, 2]) < 0.05


def test_errors_take_the_shorter_way_round():
    errors = ROBOT.tasks["swing-up"]().errors(np.array([0.2, 2 * math.pi - 0.1, 0.0, 0.0]), np.zeros(2))
    assert errors == pytest.approx({"angle_rad": -0.1, "position_m": 0.2})


def test_the_step_task_moves_the_cart_while_the_pole_is_wanted_upright():
    rows = ROBOT.tasks["step"]().reference(np.array([0.0, 3.9, 4.1, 8.1]))
    np.testing.assert_array_equal(rows, [[0.4, 0.0], [0.4, 0.0], [-0.4, 0.0], [0.4, 0.0]])
