"""The arm's model against MuJoCo and published numbers, its hold law, and its references."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from mpc_controller.arrays import Array
from robots import load_robot
from robots.arm import tasks
from robots.arm.dynamics import arm_dynamics
from robots.arm.numeric import NumericArm
from sim.mjcf import load_mjcf
from tests.ipopt_reference import solve_with_ipopt

ROBOT = load_robot("arm")
STEP = 1 / ROBOT.plant_rate_hz


def random_state(rng: np.random.Generator) -> Array:
    """Angles within the joints' ranges and rates within their limits."""
    q = rng.uniform(tasks.ANGLE_LOWER, tasks.ANGLE_UPPER)
    return np.concatenate([q, rng.uniform(-1, 1, 7) * tasks.VELOCITY_LIMIT])


def simulate(model: mujoco.MjModel, x: Array, planned: Array, seconds: float) -> Array:
    """MuJoCo under the hold law: states (n, 14)."""
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = x[:7], x[7:]
    states = []
    for _ in range(round(seconds / STEP)):
        data.ctrl[:] = ROBOT.hold(np.concatenate([data.qpos, data.qvel]), planned)
        mujoco.mj_step(model, data)
        states.append(np.concatenate([data.qpos, data.qvel]))
    return np.array(states)


@pytest.mark.parametrize("payload", [0.0, 2.0])
def test_accelerations_are_mujocos_on_random_states(payload: float) -> None:
    spec = mujoco.MjSpec.from_file(str(ROBOT.mjcf))
    tool = spec.site("tool").pos
    if payload:
        spec.body("hand").add_body(pos=tool, mass=payload, inertia=[1e-12] * 3, ipos=[0, 0, 0], explicitinertial=True)
    model = spec.compile()
    data = mujoco.MjData(model)
    f, rng = ROBOT.dynamics.function(), np.random.default_rng(0)
    p = ROBOT.dynamics.parameters.with_values({"payload_mass": payload}).values
    for _ in range(100):
        x, u = random_state(rng), rng.uniform(-1, 1, 7) * tasks.TORQUE_LIMIT
        data.qpos[:], data.qvel[:], data.ctrl[:] = x[:7], x[7:], u
        mujoco.mj_forward(model, data)
        expected = np.concatenate([data.qvel, data.qacc])
        np.testing.assert_allclose(f(x, u, p).full().ravel(), expected, rtol=1e-8, atol=1e-8)


def test_the_tool_is_where_mujoco_has_it() -> None:
    model, arm = load_mjcf(ROBOT), NumericArm()
    data = mujoco.MjData(model)
    rng = np.random.default_rng(1)
    for _ in range(10):
        data.qpos[:] = random_state(rng)[:7]
        mujoco.mj_kinematics(model, data)
        np.testing.assert_allclose(arm.tool_position(data.qpos), data.site("tool").xpos, atol=1e-12)


def test_the_last_link_with_hand_and_fingers_has_the_published_total() -> None:
    """Mass and centre of mass of link 7, flange, hand and closed fingers of the public Panda description."""
    inertia = arm_dynamics().model.joints[6].inertia
    mass = float(inertia.mass)
    assert mass == pytest.approx(0.735522 + 0.73 + 2 * 0.015)
    centre = np.array([float(inertia.moment[i]) for i in range(3)]) / mass
    np.testing.assert_allclose(centre, [0.00172087, 0.00136035, 0.10048528], atol=1e-8)


def test_the_mjcf_has_the_ranges_and_torques_of_the_data_sheet() -> None:
    model = load_mjcf(ROBOT)
    np.testing.assert_array_equal(model.jnt_range, np.column_stack([tasks.ANGLE_LOWER, tasks.ANGLE_UPPER]))
    np.testing.assert_array_equal(model.actuator_ctrlrange, np.column_stack([-tasks.TORQUE_LIMIT, tasks.TORQUE_LIMIT]))
    np.testing.assert_array_equal(model.dof_damping, ROBOT.dynamics.parameters.values[:7])


def test_the_neutral_torque_holds_the_home_posture() -> None:
    x = np.concatenate([tasks.HOME, np.zeros(7)])
    x_dot = ROBOT.dynamics.function()(x, ROBOT.neutral, ROBOT.dynamics.parameters.values)
    np.testing.assert_allclose(x_dot.full(), 0.0, atol=1e-12)


def test_hold_stops_a_moving_arm_at_the_planned_angles() -> None:
    planned = np.concatenate([tasks.HOME, np.zeros(7)])
    rng = np.random.default_rng(2)
    start = planned + np.concatenate([rng.uniform(-0.05, 0.05, 7), rng.uniform(-0.5, 0.5, 7)])
    end = simulate(load_mjcf(ROBOT), start, planned, 4.0)[-1]
    np.testing.assert_allclose(end, planned, atol=1e-3)


def test_hold_keeps_an_arm_that_is_heavier_than_its_model_within_a_degree() -> None:
    planned = np.concatenate([tasks.HOME, np.zeros(7)])
    model = load_mjcf(ROBOT)
    model.body_mass *= 1.1
    model.body_inertia *= 1.1
    states = simulate(model, planned, planned, 2.0)
    assert np.abs(states[:, :7] - planned[:7]).max() < np.deg2rad(1.0)


@pytest.mark.parametrize("task", ROBOT.tasks)
def test_a_reference_starts_at_rest_where_the_task_starts(task: str) -> None:
    made = ROBOT.tasks[task]()
    first = made.reference(np.zeros(1))[0]
    assert all(error < 1e-12 for error in made.errors(made.initial_state, first).values())
    np.testing.assert_allclose(first[len(first) // 2 :], 0.0, atol=1e-12)


@pytest.mark.parametrize("task", ROBOT.tasks)
def test_the_velocities_of_a_reference_are_its_derivative(task: str) -> None:
    made = ROBOT.tasks[task]()
    times, step = np.linspace(0.1, 9.0, 50), 1e-5
    rows = made.reference(times)
    half = rows.shape[1] // 2
    difference = (made.reference(times + step) - made.reference(times - step))[:, :half] / (2 * step)
    np.testing.assert_allclose(rows[:, half:], difference, atol=1e-7)


def test_a_fast_plan_keeps_the_soft_rate_limits() -> None:
    """Joint targets out of reach within the horizon press the rates against their limits, not past them."""
    problem = ROBOT.tasks["joint-reach"]().problem
    p = problem.parameters.values
    target = np.concatenate([tasks.HOME + 2.0 * np.array([1, 1, 1, 0.5, 1, 0.5, 1]), np.zeros(7)])
    x0 = np.concatenate([tasks.HOME, np.zeros(7)])
    guess = np.tile(x0, (problem.N + 1, 1)), np.tile(ROBOT.neutral, (problem.N, 1))
    states, controls, _ = solve_with_ipopt(problem, x0, p, np.tile(target, (problem.N + 1, 1)), guess)
    rates = np.abs(states[:, 7:]) / tasks.VELOCITY_LIMIT
    assert 0.95 < rates.max() <= 1.0
    assert (np.abs(controls) <= tasks.TORQUE_LIMIT + 1e-6).all()
