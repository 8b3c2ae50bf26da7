"""Commands that act late: which one acts, and a plan that is made for when its commands will act."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Mode
from mpc_controller.control.command_delay import CommandDelay, control_delay_of, mean_command
from mpc_controller.control.estimator import Estimate
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.receding_horizon import RecedingHorizon
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.parameters import ParameterError, Parameters
from mpc_controller.node.controller import Controller
from tests.control.machines import MS, SledSolver, observation, sled, task, transition
from tests.node.loop import DirectLink, SledPlant, job, run

LATENCY, EPOCH = 6 * MS, 4


def acted(delay_s: float, commands: list[float]) -> Array:
    """What acts over each tick of 2 ms of a plant that is sent these commands."""
    delay = CommandDelay(delay_s)
    seen = [observation(sled(), k, np.zeros(1), np.array([u])) for k, u in enumerate(commands)]
    return np.array([delay.observe(o).control[0] for o in seen])


def test_without_a_delay_the_command_that_is_sent_acts():
    np.testing.assert_array_equal(acted(0.0, [1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])


def test_a_delay_of_whole_ticks_gives_the_command_of_as_many_ticks_ago():
    commands = list(np.random.default_rng(0).normal(size=40))
    np.testing.assert_allclose(acted(0.006, commands)[4:], commands[1:-3], rtol=1e-12)
    np.testing.assert_allclose(acted(0.006, commands)[:4], commands[0], rtol=1e-12)


def test_a_delay_that_ends_within_a_tick_gives_the_mean_of_two_commands():
    commands = list(np.random.default_rng(1).normal(size=40))
    expected = 0.25 * np.array(commands[:-2]) + 0.75 * np.array(commands[1:-1])
    np.testing.assert_allclose(acted(0.0025, commands)[2:], expected, rtol=1e-12)


def test_a_lost_observation_does_not_shift_what_acts():
    delay = CommandDelay(0.004)
    seen = [observation(sled(), k, np.zeros(1), np.array([float(k)])) for k in (0, 1, 2, 4, 5, 6, 7)]
    assert [delay.observe(o).control[0] for o in seen][-1] == pytest.approx(5.0)


def test_the_mean_holds_the_first_and_the_last_command_beyond_what_is_known():
    sent = [(10, np.array([1.0])), (20, np.array([3.0]))]
    assert mean_command(sent, -100, 0) == 1.0
    assert mean_command(sent, 5, 15) == 2.0
    assert mean_command(sent, 15, 95) == 3.0
    assert mean_command(sent, 10, 10) == 3.0


def test_a_plan_starts_from_the_state_that_the_commands_on_their_way_lead_to():
    robot, job_ = sled(control_delay_s=0.01), task()
    solver = SledSolver(job_.problem)
    horizon = RecedingHorizon(robot, job_, solver, Predictor(robot.dynamics, RungeKutta4()), cold_solves=1)
    for k in range(8):
        horizon.acting(observation(robot, k, np.zeros(1), np.array([float(k)])))
    seen = observation(robot, 7, np.array([0.2]), np.array([7.0]), mode=Mode.HOLD)
    estimate = Estimate(seen.time_ns, np.array([0.2, 1.0]), np.zeros(1))
    motion = horizon.plan(estimate, seen, RuntimeParameters(robot, job_.problem), EPOCH, LATENCY)
    A, B, _ = transition(2.0, 0.002)
    x, states = np.array([0.2, 1.0]), []
    for u in (3.0, 4.0, 5.0, 6.0, 7.0, 7.0, 7.0, 7.0):  # five on their way, then the last one until the plan's first acts
        states.append(x)
        x = A @ x + B @ [u]
    np.testing.assert_allclose(motion.state, states[3], atol=1e-12)
    np.testing.assert_allclose(solver.guesses[0].states[0], x, atol=1e-12)  # the solver was asked from there
    assert solver.guesses[0].times[0] == seen.time_ns + LATENCY + 10 * MS
    assert motion.solution.trajectory.times[0] == motion.start_ns == seen.time_ns + LATENCY
    np.testing.assert_allclose(motion.solution.trajectory.states[0], states[3], atol=1e-12)


class LateSled(SledPlant):
    """The sled with commands that act so many ticks late."""

    def __init__(self, ticks: int) -> None:
        super().__init__()
        self._late = [np.zeros(1)] * ticks

    def apply(self, u: Array) -> None:
        self._late.append(u.copy())
        super().apply(self._late.pop(0))


def overshoot(known: bool, ticks: int = 30) -> float:
    """How far the late sled, which starts at 0.5 m, swings to the other side of where it should rest."""
    robot = sled(control_delay_s=0.002 * ticks if known else 0.0)
    plant, positions = LateSled(ticks), []
    link = DirectLink(Controller(job(robot=robot), 1))
    link.before = lambda _: positions.append(plant.state[0])
    run(plant, link, 3.0, robot)
    return -min(positions)


def test_a_delay_that_is_known_does_not_make_the_loop_swing():
    assert overshoot(known=True) < 0.02
    assert overshoot(known=False) > 5 * overshoot(known=True)


def test_the_delay_of_a_parameter_file_is_in_its_provenance():
    assert control_delay_of(Parameters()) == 0.0
    assert control_delay_of(Parameters(provenance={"control_delay_s": 0.016})) == 0.016
    for wrong in (-0.1, 2.0, float("nan"), "0.01", True):
        with pytest.raises(ParameterError, match=r"'control_delay_s' is .*; it must be a number in \[0, 1\] s"):
            control_delay_of(Parameters(provenance={"control_delay_s": wrong}))
