"""What every robot of the registry must satisfy."""

from functools import cache

import mujoco
import numpy as np
import pytest

from mpc_controller.robot import Robot, Task
from robots import ROBOTS, RobotError, load_robot
from sim.mjcf import load_mjcf
from tests.ipopt_reference import IpoptTranscription, evaluate


@cache
def loaded(name: str) -> Robot:
    return load_robot(name)


@cache
def task_of(robot: str, task: str) -> Task:
    return loaded(robot).tasks[task]()


TASKS = [(name, task) for name in ROBOTS for task in loaded(name).tasks]


def test_an_unknown_robot_is_refused_with_the_names_there_are():
    with pytest.raises(RobotError, match=r"no robot 'quadrotr'; did you mean 'quadrotor'\? there are cartpole, quadrotor"):
        load_robot("quadrotr")


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robots_data_fit_its_dynamics(name):
    robot = loaded(name)
    d = robot.dynamics
    assert robot.name == name
    assert robot.default_task in robot.tasks
    assert set(robot.measured) <= set(d.state_names)
    assert len(d.state_units) == d.nx == d.manifold.nx
    assert len(d.control_units) == d.nu
    for array in (robot.control_lower, robot.control_upper, robot.control_slew, robot.neutral):
        assert array.shape == (d.nu,)
    assert (robot.control_lower < robot.control_upper).all()
    assert (robot.control_slew > 0).all()
    assert (robot.neutral >= robot.control_lower).all()
    assert (robot.neutral <= robot.control_upper).all()
    measured = d.manifold.tangent_indices([int(i) for i in robot.measured_indices])
    assert robot.measurement_std.shape == (len(measured),)
    assert robot.process_std.shape == (d.manifold.ndx,)
    assert robot.disturbance_std.shape == (len(d.channels),)
    assert all(parameter.source for parameter in d.nominal.parameters)  # a number says where it comes from


@pytest.mark.parametrize("name", ROBOTS)
def test_the_mjcf_needs_no_meshes_and_has_the_robots_limits(name):
    robot = loaded(name)
    model = load_mjcf(robot)
    assert model.nmesh == 0
    assert model.opt.timestep <= 1 / robot.plant_rate_hz
    limited = model.actuator_ctrllimited.astype(bool)
    np.testing.assert_allclose(model.actuator_ctrlrange[limited, 0], robot.control_lower[limited])
    np.testing.assert_allclose(model.actuator_ctrlrange[limited, 1], robot.control_upper[limited])
    names = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_ACTUATOR, i) for i in range(model.nu)]
    assert tuple(names) == robot.dynamics.control_names


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_a_tasks_data_fit_its_problem(name, task):
    robot, made = loaded(name), task_of(name, task)
    problem = made.problem
    assert made.name == task
    assert problem.dynamics is robot.dynamics
    assert made.initial_state.shape == (problem.dynamics.nx,)
    assert 0 <= made.settle_s < made.duration_s
    times = np.linspace(0.0, made.duration_s, 200)
    rows = made.reference(times)
    assert rows.shape == (200, problem.nr)
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(made.reference(times[50:60]), rows[50:60])  # the same, however it is asked
    assert all(np.isfinite(error) for error in made.errors(made.initial_state, rows[0]).values())


@pytest.mark.parametrize("name", ROBOTS)
def test_the_hold_law_gives_controls_within_limits_wherever_a_task_begins(name):
    robot = loaded(name)
    for task in robot.tasks:
        x = task_of(name, task).initial_state
        u = robot.hold(x, x)
        assert u.shape == (robot.dynamics.nu,)
        assert (u >= robot.control_lower).all()
        assert (u <= robot.control_upper).all()


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_a_task_can_be_planned_from_its_start_within_the_limits(name, task):
    robot, made = loaded(name), task_of(name, task)
    problem, p = made.problem, made.problem.parameters.values
    reference = made.reference(problem.times)
    states, controls, cost = IpoptTranscription(problem).solve(made.initial_state, p, reference)
    again, violation = evaluate(problem, states, controls, p, reference)
    assert violation < 1e-6
    assert again == pytest.approx(cost, rel=1e-6, abs=1e-6)
    assert (controls >= robot.control_lower - 1e-6).all()
    assert (controls <= robot.control_upper + 1e-6).all()
