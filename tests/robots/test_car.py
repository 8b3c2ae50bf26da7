"""The car's model, its MJCF and its tasks."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from mpc_controller.arrays import Array
from robots.car import robot
from robots.car.dynamics import GRAVITY
from robots.car.tasks import DISC_OFFSET, DISC_RADIUS, LANE_HALF_WIDTH, OBSTACLE, STEERING_LIMIT, free_space
from sim.mjcf import MjcfState, load_mjcf
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.ipopt_reference import solve_with_ipopt

CAR = robot()
XDOT = CAR.dynamics.function()
P = dict(zip(CAR.dynamics.parameters.names, CAR.dynamics.parameters.values, strict=True))


def xdot(x: Array, u: Array) -> Array:
    return np.asarray(XDOT(x, u, CAR.dynamics.parameters.values)).ravel()


def random_states(n: int) -> list[tuple[Array, Array]]:
    random = np.random.default_rng(5)
    scale = np.array([10, 2, 3, 4, 2, 6, STEERING_LIMIT])
    return [(scale * random.uniform(-1, 1, 7), CAR.control_upper * random.uniform(-1, 1, 2)) for _ in range(n)]


def test_the_models_accelerations_are_mujocos():
    """ẋ of the model against MuJoCo's q̈ and activation rates, turned into the body frame: d(Rᵀv)/dt = Rᵀv̇ − r × Rᵀv."""
    model = load_mjcf(CAR)
    data = mujoco.MjData(model)
    state = MjcfState(CAR, model, data)
    for x, u in random_states(300):
        state.write(x)
        data.ctrl[:] = u
        data.qfrc_applied[:] = CAR.mjcf_adapter.forces(x, CAR.dynamics.nominal.parameters.values)
        mujoco.mj_forward(model, data)
        c, s = math.cos(x[2]), math.sin(x[2])
        forward, left = c * data.qacc[0] + s * data.qacc[1], c * data.qacc[1] - s * data.qacc[0]
        rates = [*data.qvel, forward + x[5] * x[4], left - x[5] * x[3], data.qacc[2], data.act_dot[0]]
        np.testing.assert_allclose(xdot(x, u), rates, atol=1e-8)


def test_the_state_goes_to_mujoco_and_back():
    model = load_mjcf(CAR)
    state = MjcfState(CAR, model, mujoco.MjData(model))
    for x, _ in random_states(20):
        state.write(x)
        np.testing.assert_allclose(state.read(), x, atol=1e-12)


def test_the_mjcf_has_the_parameters_mass_and_axle():
    model = load_mjcf(CAR)
    assert model.body_mass[1] == P["mass"]
    assert model.body_inertia[1][2] == P["yaw_inertia"]
    assert model.site("rear_axle").pos[0] == -P["rear_axle"]


def test_the_simulation_follows_the_model():
    plant = MujocoPlant(CAR, np.zeros(7), SimTruth(noise_scale=0.0), 0, 0.002)
    x, dt = np.zeros(7), 1e-3
    for k in range(750):
        u = np.array([5.0, 0.8 * math.cos(0.02 * k)])
        for _ in range(2):
            k1 = xdot(x, u)
            x = x + dt * xdot(x + dt / 2 * k1, u)
        plant.apply(u)
    np.testing.assert_allclose(plant.read()[1], x, atol=0.02)


def test_a_tyre_never_gives_more_than_friction_times_load():
    for x, _ in random_states(200):
        body = x.copy()
        body[2] = 0.0
        force = CAR.mjcf_adapter.forces(body, CAR.dynamics.nominal.parameters.values)
        assert np.hypot(*force[:2]) <= P["friction"] * P["mass"] * GRAVITY * (1 + 1e-12)


def test_a_car_that_stands_stays_and_one_that_slides_is_braked_by_its_tyres():
    np.testing.assert_array_equal(xdot(np.zeros(7), np.zeros(2)), 0.0)
    assert xdot(np.array([0, 0, 0, 0, 0.5, 0, 0.0]), np.zeros(2))[4] < 0


def test_the_yaw_rate_of_a_gentle_turn_is_that_of_the_linear_bicycle():
    """r = v δ / (L + K v²), K = m (b C_r − a C_f) / (L C_f C_r), with C_i the slopes at this speed."""
    v, steering = 3.0, 1e-4
    a, b, m = P["front_axle"], P["rear_axle"], P["mass"]
    L = a + b
    damped = v / math.hypot(v, P["slip_speed"])
    C_f = damped * P["friction"] * P["front_stiffness"] * m * GRAVITY * b / L
    C_r = damped * P["friction"] * P["rear_stiffness"] * m * GRAVITY * a / L
    x = np.array([0, 0, 0, v, 0, 0, steering])
    for _ in range(4000):
        rates = xdot(x, np.zeros(2))
        x[4:6] += 1e-3 * rates[4:6]
    assert x[5] == pytest.approx(v * steering / (L + m * (b * C_r - a * C_f) / (L * C_f * C_r) * v**2), rel=1e-6)


def test_less_grip_in_the_plant_widens_the_turn():
    def lateral_speed_change(scale: float) -> float:
        truth = SimTruth(noise_scale=0.0, parameter_scale={"friction": scale})
        plant = MujocoPlant(CAR, np.array([0, 0, 0, 3.0, 0, 0, 0.4]), truth, 0, 0.002)
        for _ in range(100):
            plant.apply(np.zeros(2))
        return float(plant.read()[1][2])

    assert lateral_speed_change(0.5) < 0.8 * lateral_speed_change(1.0)


def test_the_hold_brakes_to_a_standstill_with_bounded_deceleration_and_the_steering_as_it_is():
    plant = MujocoPlant(CAR, np.array([0, 0, 0, 2.5, 0, 0, 0.1]), SimTruth(noise_scale=0.0), 0, 0.002)
    previous = plant.read()[1]
    for _ in range(1250):
        u = CAR.hold(previous, previous)
        assert (CAR.control_lower <= u).all()
        assert (u <= CAR.control_upper).all()
        plant.apply(u)
        x = plant.read()[1]
        assert abs(x[3] - previous[3]) / 0.002 < 3.0
        previous = x
    assert abs(previous[3]) < 0.01
    assert previous[6] == 0.1


def test_two_discs_cover_the_cars_outline():
    for corner in ((0.29, 0.155), (0.0, 0.155)):
        assert math.hypot(corner[0] - DISC_OFFSET, corner[1]) <= DISC_RADIUS + 1e-12


def test_a_car_in_the_obstacle_has_an_overlap_and_one_beside_it_has_none():
    task = CAR.tasks["pass-obstacle"]()
    x, y, radius, _ = OBSTACLE.values
    inside, beside = np.zeros(7), np.zeros(7)
    inside[:2] = x, y
    beside[:2] = x, y + radius + DISC_RADIUS + 0.05
    r = task.reference(np.zeros(1))[0]
    assert task.errors(inside, r)["overlap_m"] == pytest.approx(radius + DISC_RADIUS - DISC_OFFSET)
    assert task.errors(beside, r)["overlap_m"] == 0.0
    assert task.errors(beside, r)["lateral_m"] == pytest.approx(beside[1])


@pytest.mark.parametrize("name", sorted(CAR.tasks))
def test_every_task_has_a_plan_from_its_start(name):
    task = CAR.tasks[name]()
    problem = task.problem
    states, controls, _ = solve_with_ipopt(
        problem, task.initial_state, problem.parameters.values, task.reference(problem.times)
    )
    assert states[-1, 3] > 1.5
    assert np.abs(controls / CAR.control_upper).max() <= 1 + 1e-7


@pytest.mark.parametrize(("obstacle_y", "side"), [(-0.2, 1.0), (0.2, -1.0)])
def test_the_plan_passes_a_moved_obstacle_on_its_free_side_within_the_lane(obstacle_y, side):
    task = CAR.tasks["pass-obstacle"]()
    problem = task.problem
    p = problem.parameters.with_values({"obstacle.x": 2.0, "obstacle.y": obstacle_y}).values
    x0 = np.array([0, 0, 0, 2.0, 0, 0, 0.0])
    straight = np.tile(x0, (problem.N + 1, 1))
    straight[:, 0] = 2.0 * problem.times
    guess = (straight, np.zeros((problem.N, 2)))
    states, _, _ = solve_with_ipopt(problem, x0, p, task.reference(problem.times), guess)
    moved = states - np.array([2.0, obstacle_y, 0, 0, 0, 0, 0]) + np.array([*OBSTACLE.values[:2], 0, 0, 0, 0, 0])
    assert min(free_space(x) for x in moved) > 0.03
    beside = states[np.argmin(np.abs(states[:, 0] - 2.0))]
    assert side * (beside[1] - obstacle_y) > 0
    assert np.abs(states[:, 1]).max() <= LANE_HALF_WIDTH - DISC_RADIUS + 1e-3
