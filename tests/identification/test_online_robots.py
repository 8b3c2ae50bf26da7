"""The robots of ours, in closed loop with a plant that is not as their model says: what is learned holds the truth."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from launch.selection import solver_of, task_of
from mpc_controller.bus.messages import Mode
from mpc_controller.identification.fit import Standing
from mpc_controller.identification.online import OnlineIdentifier
from mpc_controller.node.adaptation import Adaptation
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solver import Solver
from robots import load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.control.machines import observation
from tests.identification.adaptive_loop import LearningLink, ModelPlant, learning_loop


@cache
def job(name: str, task_name: str) -> tuple[Robot, Task, Solver]:
    robot = load_robot(name)
    task = task_of(robot, task_name)
    return robot, task, solver_of(task, None, lambda line: None)


def learner(robot: Robot, task: Task, *names: str) -> Adaptation:
    return Adaptation(robot, OnlineIdentifier(robot, task.initial_state, names), rate_hz=2.0)


def flown(
    name: str, task_name: str, truth: SimTruth, names: tuple[str, ...], duration_s: float, seed: int = 0
) -> tuple[LearningLink, Adaptation]:
    robot, task, solver = job(name, task_name)
    plant = MujocoPlant(robot, task.initial_state, truth, seed, 1 / robot.plant_rate_hz)
    adaptation = learner(robot, task, *names)
    return learning_loop(robot, task, solver, plant, adaptation, duration_s), adaptation


def width_and_distance(adaptation: Adaptation, name: str, truth: float) -> tuple[float, float]:
    (estimate,) = (e for e in adaptation.identifier.estimates() if e.name == name)
    return estimate.half_width, abs(estimate.value - truth)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("task", ["hover", "figure-eight"])
def test_a_quadrotor_a_fifth_heavier_is_weighed_in_three_seconds_from_the_ground(task: str, seed: int) -> None:
    truth = SimTruth(mass_scale=1.2, actuator_delay_s=0.004)
    _, adaptation = flown("quadrotor", task, truth, ("mass",), 3.5, seed)
    width, distance = width_and_distance(adaptation, "mass", 1.2 * 0.027)
    assert distance < width < 0.05 * 0.027


def test_damping_of_a_cart_is_found_in_a_swing_up_though_commands_are_late() -> None:
    truth = SimTruth(joint_damping_scale=2.0, actuator_delay_s=0.004)
    _, adaptation = flown("cartpole", "swing-up", truth, ("cart_damping", "pole_damping"), 3.0)
    for name, value, known in (("cart_damping", 1.0, 0.1), ("pole_damping", 0.002, 0.001)):
        width, distance = width_and_distance(adaptation, name, value)
        assert distance < width < known


def test_a_pole_that_is_balanced_says_nothing_of_its_damping() -> None:
    """No drift, no updates, and the interval of before."""
    truth = SimTruth(joint_damping_scale=2.0)
    link, adaptation = flown("cartpole", "balance", truth, ("pole_damping",), 3.0)
    (estimate,) = adaptation.identifier.estimates()
    assert estimate.standing is Standing.PRIOR
    assert estimate.value == pytest.approx(0.001, abs=0.1 * estimate.half_width)
    assert link.updates() == []


@pytest.mark.parametrize("picked_up", [0, 1500])
def test_an_arm_weighs_what_it_holds_and_what_it_picks_up(picked_up: int) -> None:
    """1.5 kg from the start, and from 3 s on, when its absence had been learned to a few tens of grams."""
    robot, task, solver = job("arm", "joint-reach")
    plant = ModelPlant(robot, task.initial_state, {}, changes={picked_up: {"payload_mass": 1.5}})
    adaptation = learner(robot, task, "payload_mass")
    learning_loop(robot, task, solver, plant, adaptation, 5.0 + 0.002 * picked_up)
    width, distance = width_and_distance(adaptation, "payload_mass", 1.5)
    assert distance < width < 0.3


def test_the_ground_under_a_quadrotor_is_not_taken_for_its_mass() -> None:
    """Held to the ground at full thrust, then at none."""
    robot, task, _ = job("quadrotor", "hover")
    identifier = OnlineIdentifier(robot, task.initial_state, ("mass",))
    model = robot.dynamics.parameters.values
    seen, random = task.initial_state[robot.measured_indices], np.random.default_rng(0)
    noise = np.array([1e-3] * 3 + [0.0] * 4 + [1e-2] * 3 + [2e-2] * 3)
    for k in range(1500):
        thrust = np.full(4, 0.12 if k < 1000 else 0.0)
        measured = seen + noise * random.standard_normal(13)
        identifier.update(observation(robot, k, measured, thrust, mode=Mode.NOMINAL), model)
    assert identifier.values[0] == pytest.approx(0.027, rel=0.02)
    assert not identifier.is_learning


def test_a_heavier_quadrotor_flies_better_once_it_is_weighed_and_its_commands_do_not_jump() -> None:
    truth = SimTruth(mass_scale=1.2, actuator_delay_s=0.004)
    link, _ = flown("quadrotor", "figure-eight", truth, ("mass",), 9.0)
    robot, task, solver = job("quadrotor", "figure-eight")
    plant = MujocoPlant(robot, task.initial_state, truth, 0, 0.002)
    alone = learning_loop(robot, task, solver, plant, None, 9.0)

    def error(flight: LearningLink) -> float:
        return float(np.sqrt(np.mean([p.tracking["position_m"] ** 2 for p in flight.plans() if p.start_ns > 7e9])))

    def largest_step(flight: LearningLink) -> float:
        return float(np.abs(np.diff([o.control for o in flight.observations() if o.time_ns > 3e9], axis=0)).max())

    assert len(link.updates()) >= 7
    assert error(link) < 0.5 * error(alone)
    assert largest_step(link) < 1.15 * largest_step(alone)
