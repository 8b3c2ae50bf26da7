"""Recorded observations give the recorded plans, and what differs is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc_controller.bus.messages import Event, Message, Observation, ParameterUpdate, Plan
from mpc_controller.node.controller import Controller
from mpc_controller.node.error import NodeError
from mpc_controller.node.replay import ReplayReport, replay
from mpc_controller.solvers.solution import Status
from tests.control.machines import MS, SledSolver, sled, task
from tests.node.loop import DirectLink, SledPlant, job, lock_step, run


def replayed(messages: list[Message], **changes: Any) -> ReplayReport:
    work = task()
    return replay(messages, changes.get("robot", sled()), work, changes.get("solver", SledSolver(work.problem)))


def flight(disturb: Any = None, script: list[Status] | None = None) -> list[Message]:
    """Half a second of a loop with an update of parameters in it."""
    solver = SledSolver(task().problem)
    link = DirectLink(Controller(job(solver), epoch=1))

    def before(observation: Observation) -> None:
        if observation.sequence == 101:
            update = ParameterUpdate(1, {"mass": 2.4, "weight.effort[0]": 0.02})
            link.sent.append(update)
            link.controller.accept(update)
        if observation.sequence == 120:
            solver.script = list(script or [])
        if disturb:
            disturb(link, observation)

    link.before = before
    run(SledPlant(), link, 0.5)
    return link.sent


def test_replay_of_a_flight_is_bit_identical():
    report = replayed(flight())
    assert report.is_identical
    assert (report.plans, report.identical, report.differences) == (50, 50, ())


def test_replay_of_two_nodes_in_lock_step_is_bit_identical():
    messages, _, _ = lock_step(seed=1, duration_s=0.4)
    report = replayed(messages)
    assert report.is_identical
    assert report.plans == 40


def test_replay_of_a_flight_with_a_restart_is_bit_identical():
    def restart(link: DirectLink, observation: Observation) -> None:
        if observation.sequence == 150:
            link.controller = Controller(job(), epoch=2)

    report = replayed(flight(restart))
    assert report.is_identical
    assert report.plans == 50


def test_failed_solves_and_those_cut_by_the_deadline_do_not_spoil_the_rest():
    report = replayed(flight(script=[Status.DEADLINE]))
    assert (report.plans, report.identical, report.cut_by_deadline) == (49, 49, 1)
    assert report.is_identical


def test_a_changed_observation_is_found_out():
    messages = flight()
    index = next(i for i, m in enumerate(messages) if isinstance(m, Observation) and m.sequence == 200)
    messages[index] = replace(messages[index], measured=messages[index].measured + 1e-9)
    report = replayed(messages)
    assert report.identical == 40
    assert report.differences[0].sequence == 41
    assert 0 < report.differences[0].largest < 1e-3


def test_observations_that_the_controller_lost_are_left_out():
    def lose(link: DirectLink, observation: Observation) -> None:
        if observation.sequence == 173:
            link.controller, lose.spare = None, link.controller
        if observation.sequence == 177:
            link.controller = lose.spare

    messages = flight(lose)
    assert any(isinstance(m, Event) and "173 to 176 did not arrive" in m.text for m in messages)
    assert replayed(messages).is_identical


def test_what_a_recording_lacks_is_said():
    messages = [m for m in flight() if not (isinstance(m, Observation) and 60 <= m.sequence < 63)]
    report = replayed(messages)
    assert not report.is_identical
    assert report.incomplete == ("epoch 1: 3 observations are not in the recording",)
    late = [m for m in flight() if not (isinstance(m, Plan) and m.sequence <= 2)]
    assert replayed(late).incomplete == ("epoch 1: 2 of 50 plans are not in the recording",)


def test_times_of_the_wall_clock_are_not_compared():
    slower = [replace(m, solve_time_ns=1, loop_time_ns=2, deadline_missed=True) if isinstance(m, Plan) else m for m in flight()]
    assert replayed(slower).is_identical


def test_a_recording_without_plans_or_of_another_robot_is_refused():
    with pytest.raises(NodeError, match="no plans"):
        replayed([m for m in flight() if not isinstance(m, Plan)])
    with pytest.raises(NodeError, match="the replay was asked for"):
        replayed(flight(), robot=sled(name="sledge"))


def test_a_difference_of_shapes_is_infinite():
    messages = flight()
    index = next(i for i, m in enumerate(messages) if isinstance(m, Plan) and m.sequence == 7)
    messages[index] = replace(messages[index], controls=np.zeros((3, 1)))
    (difference,) = replayed(messages).differences
    assert (difference.sequence, difference.field, difference.largest) == (7, "controls", np.inf)


def test_the_push_is_seen_in_the_plans():
    """The loop that is replayed is one that works: its estimate of the disturbance is near the truth."""
    plans = [m for m in flight() if isinstance(m, Plan)]
    assert plans[-1].disturbance[0] == pytest.approx(0.8, abs=0.5)
    assert plans[-1].start_ns == 490 * MS
