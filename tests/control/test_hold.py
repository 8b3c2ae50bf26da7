"""Where a robot holds: where the plan wanted it, where it was measured, or nowhere at all."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.control.hold import Hold
from mpc_controller.robot import Robot
from robots import ROBOTS, load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.control.machines import sled

TICK_S = 0.002


def test_it_holds_at_the_planned_place():
    hold = Hold(sled())
    hold.begin(np.array([0.7, 3.0]))
    np.testing.assert_allclose(hold.command(np.array([0.5])), [-20.0 * (0.5 - 0.7) - 5.0 * 3.0])


def test_without_a_plan_it_holds_where_it_was_first_measured():
    hold = Hold(sled())
    np.testing.assert_allclose(hold.command(np.array([0.5])), [0.0])
    np.testing.assert_allclose(hold.command(np.array([0.6])), [-2.0])


def test_every_hold_without_a_plan_has_a_place_of_its_own():
    hold = Hold(sled())
    hold.command(np.array([0.5]))
    hold.begin(None)
    np.testing.assert_allclose(hold.command(np.array([0.6])), [0.0])


def test_what_was_never_measured_gets_the_neutral_command():
    hold = Hold(sled(neutral=np.array([1.5])))
    assert hold.command(None) == 1.5


def test_a_robot_that_is_passive_without_a_plan_waits_for_one():
    hold = Hold(sled(neutral=np.array([1.5]), passive_without_plan=True))
    assert hold.command(np.array([0.5])) == 1.5
    hold.begin(np.array([0.7, 0.0]))
    assert hold.command(np.array([0.5])) == pytest.approx(4.0)


def held(robot: Robot, initial_state: np.ndarray, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """True states and commands of a robot that nobody plans for, 5 % heavier than its model."""
    plant, hold = MujocoPlant(robot, initial_state, SimTruth(mass_scale=1.05), 0, TICK_S), Hold(robot)
    states, commands = [], []
    for _ in range(round(duration_s / TICK_S)):
        measured, truth = plant.read()
        states.append(truth)
        commands.append(hold.command(measured))
        plant.apply(commands[-1])
    assert not plant.failure
    return np.array(states), np.array(commands)


@pytest.mark.parametrize("name", ROBOTS)
def test_every_robot_stays_at_its_task_s_start_until_the_first_plan(name: str):
    robot = load_robot(name)
    task = robot.tasks[robot.default_task]()
    states, _ = held(robot, task.initial_state, 1.0)
    drift = robot.dynamics.manifold.difference(states[-1], states[0])
    assert np.abs(drift).max() < 0.03


def test_a_quadrotor_on_the_ground_keeps_its_rotors_still():
    robot = load_robot("quadrotor")
    _, commands = held(robot, robot.tasks["figure-eight"]().initial_state, 0.1)
    assert not commands.any()


def test_an_arm_holds_any_posture_not_only_the_one_of_its_neutral_torques():
    robot = load_robot("arm")
    posture = robot.tasks["circle"]().initial_state.copy()
    posture[[1, 3]] += 0.6, 0.5
    states, _ = held(robot, posture, 1.5)
    assert np.abs(states[-1, :7] - posture[:7]).max() < 0.03
    assert np.abs(states[-1, 7:]).max() < 0.02


def test_a_cart_pole_balances_a_pole_that_stands_and_lets_a_hanging_one_hang():
    robot = load_robot("cartpole")
    states, _ = held(robot, robot.tasks["balance"]().initial_state, 3.0)
    assert abs(states[-1, 1]) < 0.02
    states, _ = held(robot, robot.tasks["swing-up"]().initial_state, 3.0)
    assert np.abs(states - states[0]).max() < 0.1
