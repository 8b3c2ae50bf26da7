"""The quadrotor's model against MuJoCo, its wanted flights, and its hold law."""

import math

import casadi as ca
import mujoco
import numpy as np
import pytest

from mpc_controller.model.integrators import RungeKutta4
from robots import load_robot
from robots.quadrotor.hold import hover_gain
from robots.quadrotor.reference import lemniscate, smooth_step, state_along, through
from robots.quadrotor.tasks import GROUND, SWOOP_RATES, THRUST_LIMIT, heading, hover_state
from sim.mjcf import load_mjcf
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth

ROBOT = load_robot("quadrotor")
STEP = 1 / ROBOT.plant_rate_hz
PARAMETERS = ROBOT.dynamics.parameters.values
MASS = ROBOT.dynamics.parameters["mass"].value


def read(data: mujoco.MjData) -> np.ndarray:
    return np.concatenate([data.qpos, data.qvel, data.act])


def write(data: mujoco.MjData, x: np.ndarray) -> None:
    data.qpos[:], data.qvel[:], data.act[:] = x[:7], x[7:13], x[13:]


def held(x: np.ndarray, planned: np.ndarray, seconds: float) -> np.ndarray:
    """MuJoCo with a tenth more mass under the hold law, which takes the thrusts to be as planned."""
    model = load_mjcf(ROBOT)
    data = mujoco.MjData(model)
    model.body_mass[1] *= 1.1
    write(data, x)
    for _ in range(round(seconds / STEP)):
        data.ctrl[:] = ROBOT.hold(np.concatenate([read(data)[:13], planned[13:]]), planned)
        mujoco.mj_step(model, data)
    return read(data)


def test_accelerations_are_mujocos_on_random_states():
    model = load_mjcf(ROBOT)
    data = mujoco.MjData(model)
    f, rng = ROBOT.dynamics.function(), np.random.default_rng(0)
    for _ in range(100):
        x = ROBOT.dynamics.manifold.normalized(rng.normal(size=17))
        x[2], x[13:] = 3.0, rng.uniform(0.0, THRUST_LIMIT, 4)  # clear of the ground
        u = rng.uniform(0.0, THRUST_LIMIT, 4)
        write(data, x)
        data.ctrl[:] = u
        mujoco.mj_forward(model, data)
        xdot = f(x, u, PARAMETERS).full().ravel()
        np.testing.assert_allclose(xdot[7:13], data.qacc, atol=1e-8)
        np.testing.assert_allclose(xdot[13:], data.act_dot, atol=1e-8)
        later = data.qpos.copy()
        mujoco.mj_integratePos(model, later, data.qvel, 1e-7)
        np.testing.assert_allclose(xdot[:7], (later - data.qpos) / 1e-7, atol=1e-5)


def test_drag_and_other_masses_and_inertias_are_those_of_the_simulated_truth():
    """Half a second of flight of a plant with a hidden truth, and of the model with the parameters that it stands for."""
    p, rng = ROBOT.dynamics.parameters, np.random.default_rng(2)
    truth = SimTruth(mass_scale=1.3, inertia_scale=1.4, linear_drag=0.02, noise_scale=0.0)
    hidden = {name: p[name].value * 1.3 * 1.4 for name in ("inertia_x", "inertia_y", "inertia_z")}
    p = p.with_values(hidden | {"mass": 1.3 * MASS, "drag": 0.02})
    state = hover_state(ROBOT.dynamics)
    state[2], state[7:10], state[10:13] = 5.0, (2.0, -1.0, 0.5), (1.0, 2.0, 3.0)
    plant = MujocoPlant(ROBOT, state, truth, 0, STEP)
    x, u, dt = ca.SX.sym("x", 17), ca.SX.sym("u", 4), STEP
    step = ca.Function("F", [x, u], [RungeKutta4().step(ROBOT.dynamics, x, u, ca.SX(ca.DM(p.values)), ca.SX(dt))])
    for _ in range(round(0.5 / dt)):
        command = 0.086 + rng.uniform(-0.03, 0.03, 4)
        plant.apply(command)
        state = step(state, command).full().ravel()
    np.testing.assert_allclose(ROBOT.dynamics.manifold.difference(state, plant.read()[1]), 0.0, atol=6e-3)


def test_a_second_of_flight_is_mujocos():
    """State for state: world and body frames, quaternions, rotor numbers and signs, and the motor lag."""
    model = load_mjcf(ROBOT)
    model.opt.timestep = 1e-4
    data = mujoco.MjData(model)
    x, u, p = ca.SX.sym("x", 17), ca.SX.sym("u", 4), ca.SX.sym("p", len(PARAMETERS))
    step = ca.Function("F", [x, u, p], [RungeKutta4().step(ROBOT.dynamics, x, u, p, ca.SX(0.01))])
    state, rng = hover_state(ROBOT.dynamics), np.random.default_rng(1)
    state[2] = 5.0
    write(data, state)
    for _ in range(100):
        command = 0.07 + rng.uniform(-0.003, 0.003, 4)
        state = step(state, command, PARAMETERS).full().ravel()
        data.ctrl[:] = command
        for _ in range(100):
            mujoco.mj_step(model, data)
    np.testing.assert_allclose(ROBOT.dynamics.manifold.difference(state, read(data)), 0.0, atol=5e-3)


def test_it_stands_on_the_ground_and_lifts_off():
    model = load_mjcf(ROBOT)
    data = mujoco.MjData(model)
    write(data, ROBOT.tasks["hover"]().initial_state)
    for _ in range(500):
        mujoco.mj_step(model, data)
    assert data.qpos[2] == pytest.approx(GROUND, abs=1e-3)
    data.ctrl[:] = 1.2 * MASS * 9.81 / 4
    for _ in range(500):
        mujoco.mj_step(model, data)
    assert data.qpos[2] > 0.5


@pytest.mark.parametrize("yaw", [0.0, 1.0, -3.0])
def test_hold_comes_to_rest_at_the_planned_heading_and_position_but_for_a_sag(yaw):
    planned = hover_state(ROBOT.dynamics)
    planned[:3] = 1.0, -2.0, 1.5
    planned[3], planned[6] = math.cos(yaw / 2), math.sin(yaw / 2)
    off = np.array([0.3, -0.3, 0.2, 0.3, -0.2, 0.4, 1.0, -0.5, 0.5, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    end = held(ROBOT.dynamics.manifold.retract(planned, off), planned, 6.0)
    deviation = ROBOT.dynamics.manifold.difference(end, planned)[:12]
    np.testing.assert_allclose(np.delete(deviation, 2), 0.0, atol=0.01)
    assert -0.3 < deviation[2] < 0.0  # a tenth more mass: g / 10 against a height gain of 1 / (27 t_m²) = 14.8 1/s²


def test_the_hold_loop_has_all_its_poles_where_its_docstring_puts_them():
    """Measured states fed back, thrusts not: a triple pole at −1/3t_m twice and a fivefold one at −1/5t_m twice."""
    d = ROBOT.dynamics
    dx, u = ca.SX.sym("dx", 16), ca.SX.sym("u", 4)
    at = ca.SX(ca.DM(hover_state(d)))
    xdot = d.xdot(d.manifold.plus(at, dx), u, ca.SX(ca.DM(PARAMETERS)))
    # δ of q ⊞ δ moves with ω at first order; all other tangent entries are entries of the state.
    tangent = ca.vertcat(xdot[:3], 2 * xdot[4:7], xdot[7:])
    derivatives = ca.Function("AB", [dx, u], [ca.jacobian(tangent, dx), ca.jacobian(tangent, u)])
    A, B = (m.full() for m in derivatives(np.zeros(16), np.full(4, MASS * 9.81 / 4)))
    K = np.hstack([hover_gain(d), np.zeros((4, 4))])
    lag = d.parameters["motor_time_constant"].value
    a, b = 1 / (3 * lag), 1 / (5 * lag)
    expected = np.poly([-a] * 6 + [-b] * 10)
    np.testing.assert_allclose(np.poly(A + B @ K), expected, rtol=1e-6)


def test_hold_stays_within_the_thrust_limits_however_far_it_is():
    planned = hover_state(ROBOT.dynamics)
    far = planned.copy()
    far[:3] = 50.0, -50.0, -50.0
    u = ROBOT.hold(far, planned)
    assert ((u >= 0) & (u <= THRUST_LIMIT)).all()


def test_the_figure_eight_takes_off_smoothly_and_flies_at_one_to_one_and_a_half_metres_a_second():
    task = ROBOT.tasks["figure-eight"]()
    rows = task.reference(np.linspace(0.0, task.duration_s, 4001))
    speed = np.linalg.norm(rows[:, 7:10], axis=1)
    np.testing.assert_allclose(rows[0], task.reference(np.array([-1.0]))[0], atol=1e-12)
    np.testing.assert_allclose(rows[0, :3], [0.0, 0.0, GROUND], atol=1e-12)
    assert (np.diff(rows[:500, 2]) >= 0).all()
    np.testing.assert_allclose(rows[500:, 2], 1.0, atol=1e-9)
    cruise = speed[1000:]
    assert 1.45 < cruise.max() <= 1.5
    assert 0.9 < cruise.mean() < 1.2
    assert rows[:, 13:].max() < THRUST_LIMIT


@pytest.mark.parametrize("pace", SWOOP_RATES)
def test_a_swoop_is_lowest_where_it_is_fastest_and_within_the_rotors_thrust(pace):
    task = ROBOT.tasks[f"swoop-{pace}" if pace else "swoop"]()
    rows = task.reference(np.linspace(5.0, task.duration_s, 2001))
    speed = np.linalg.norm(rows[:, 7:10], axis=1)
    assert rows[speed > 0.99 * speed.max(), 2].max() < 0.25
    assert 0.199 < rows[:, 2].min() < rows[:, 2].max() < 0.81
    assert 1.3 * rows[:, 13:].max() < THRUST_LIMIT


def test_the_waypoints_are_reached_and_rested_in():
    rows = ROBOT.tasks["waypoints"]().reference(np.array([2.75, 5.75, 8.75, 11.75, 14.75]))
    np.testing.assert_allclose(rows[:, :3], [[0, 0, 1], [1, 0, 1], [1, 1, 1.5], [0, 1, 1.5], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(rows[:, 7:13], 0.0, atol=1e-12)


@pytest.mark.parametrize(
    "path", [through([(0, 0, 0), (1, 2, 3), (0, 1, 1)], [0.0, 1.5], 2.0), lemniscate(1.2, 0.6, 1.5, 0.3, 2.0, 0.6)]
)
def test_velocity_acceleration_and_jerk_are_the_derivatives_of_the_path(path):
    times, h = np.linspace(0.013, 4.0, 100), 1e-5  # clear of the ends of legs, where the fourth derivative jumps
    motion = path(times)
    for order in range(3):
        slope = (path(times + h)[order] - path(times - h)[order]) / (2 * h)
        np.testing.assert_allclose(motion[order + 1], slope, atol=1e-6)


def test_a_smooth_step_rests_before_and_after():
    step, integral = smooth_step(np.array([-1.0, 1.0, 2.0, 3.0, 9.0]), 1.0, 2.0)
    np.testing.assert_allclose(step[0], [0.0, 0.0, 0.5, 1.0, 1.0])
    np.testing.assert_allclose(step[1:, [0, 1, 3, 4]], 0.0, atol=1e-9)
    np.testing.assert_allclose(integral[[0, 1, 3, 4]], [0.0, 0.0, 1.0, 7.0], atol=1e-12)


def test_the_state_along_a_path_satisfies_the_model():
    """Its derivative in time is the model's, but for the moments that turn the body and the motors' lag."""
    path, times, h = lemniscate(1.2, 0.64, 1.5, 0.0, 1.0), np.linspace(0.2, 5.0, 20), 1e-5
    states = state_along(path(times), MASS)
    slope = (state_along(path(times + h), MASS) - state_along(path(times - h), MASS)) / (2 * h)
    f = ROBOT.dynamics.function()
    for x, x_dot in zip(states, slope, strict=True):
        np.testing.assert_allclose(f(x, x[13:], PARAMETERS).full().ravel()[:10], x_dot[:10], atol=1e-6)


def test_heading_is_the_yaw_whatever_the_tilt():
    yaw, pitch = 0.7, 0.3
    about_z = [math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]
    w, z = about_z[0], about_z[3]
    c, s = math.cos(pitch / 2), math.sin(pitch / 2)
    assert heading(np.array([w * c, -z * s, w * s, z * c])) == pytest.approx(yaw)
