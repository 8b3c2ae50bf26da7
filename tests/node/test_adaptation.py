"""Learning beside a controller: it is told what it should know, its plans do not jump, and the recording replays."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.bus.codec import decode, encode
from mpc_controller.bus.messages import Event, EventKind, Observation, ParameterUpdate, Plan
from mpc_controller.identification.online import OnlineIdentifier
from mpc_controller.node.adaptation import Adaptation
from mpc_controller.node.error import NodeError
from mpc_controller.node.introduction import Introduction
from mpc_controller.node.replay import replay
from mpc_controller.robot import Task
from tests.control.machines import SledSolver, observation, sled, task
from tests.identification.adaptive_loop import LearningLink, ModelPlant, learning_loop

ROBOT = sled(measurement_std=np.array([1e-4]))


def swinging() -> Task:
    """The sled goes to and fro, so that its mass shows."""
    return task(lambda t: 0.5 * np.sin(3.0 * t)[:, None])


def adaptation(rate_hz: float = 2.0) -> Adaptation:
    return Adaptation(ROBOT, OnlineIdentifier(ROBOT, np.array([0.5, 0.0]), ("mass",)), rate_hz)


def flight(learner: Adaptation | None, duration_s: float = 6.0, before=lambda link, observation: None) -> LearningLink:
    """A sled of 3 kg that is taken for one of 2 kg."""
    work = swinging()
    plant = ModelPlant(ROBOT, work.initial_state, {"mass": 3.0}, seed=1, late=0)
    return learning_loop(ROBOT, work, SledSolver(work.problem), plant, learner, duration_s, before=before)


@pytest.fixture(scope="module")
def learned() -> tuple[LearningLink, Adaptation]:
    learner = adaptation()
    return flight(learner), learner


def test_the_controller_is_led_to_the_truth_in_small_steps_and_says_so(learned):
    link, learner = learned
    said = [update.values["mass"] for update in link.updates()]
    (estimate,) = learner.identifier.estimates()
    assert abs(estimate.value - 3.0) < estimate.half_width
    assert abs(said[-1] - 3.0) < 0.1
    assert np.abs(np.diff([2.0, *said])).max() <= 0.1 * 1.0 + 1e-12  # a tenth of its uncertainty, half of 2 kg
    told = [m.text for m in link.sent if isinstance(m, Event) and m.kind is EventKind.PARAMETERS]
    assert told[0] == f"update 1: mass = {said[0]:g}"
    assert len(told) == len(said) >= 9


def test_updates_come_at_their_rate_and_end_when_there_is_nothing_new(learned):
    link, learner = learned
    times = [link.sent[i + 1].time_ns for i, m in enumerate(link.sent) if isinstance(m, ParameterUpdate)]
    assert np.diff(times).min() >= 500_000_000
    assert learner.observations == len(link.observations())


def test_the_disturbance_gives_back_what_the_mass_explains(learned):
    link, _ = learned
    late = [p.disturbance[0] for p in link.plans() if p.start_ns > 5.5e9]
    without = [p.disturbance[0] for p in flight(None).plans() if p.start_ns > 5.5e9]
    assert np.abs(late).max() < 0.35 * np.abs(without).max()


def test_a_plan_does_not_jump_at_an_update():
    """The plans and commands right after a change by the largest step, with and without it."""
    at = 1000

    def change(link: LearningLink, seen: Observation) -> None:
        if seen.sequence == at:
            link.say(ParameterUpdate(1, {"mass": 2.1}))

    with_change, without = flight(None, 3.0, change), flight(None, 3.0)
    a, b = (next(p for p in link.plans() if p.answers_sequence >= at) for link in (with_change, without))
    assert a.answers_sequence == b.answers_sequence
    assert abs(b.disturbance[0]) > 0.5  # there is something to give back
    commands = np.abs([p.controls[0, 0] for p in without.plans()]).max()
    assert abs(a.controls[0, 0] - b.controls[0, 0]) < 0.02 * commands
    steps, changed = (
        np.abs(np.diff([o.control[0] for o in link.observations()[at : at + 50]])).max() for link in (without, with_change)
    )
    assert changed < 1.1 * steps


def test_a_recording_with_updates_replays_to_the_last_bit(learned):
    link, _ = learned
    recorded = [decode(encode(message)) for message in link.sent]
    work = swinging()
    report = replay(recorded, ROBOT, work, SledSolver(work.problem))
    assert report.is_identical
    assert report.plans == len(link.plans()) > 500


def test_it_never_speaks_while_no_plans_are_followed():
    learner = adaptation()
    for k in range(2000):
        learner.accept(observation(ROBOT, k, [0.1 * np.sin(0.01 * k)], np.array([5.0])))
        if learner.is_due:
            assert learner.take_update() is None
    assert "held: no plans are followed, HOLD" in learner.line()


def test_what_another_says_counts_as_told_and_what_the_model_cannot_be_does_not():
    learner = adaptation()
    learner.accept(ParameterUpdate(1, {"mass": 4.0, "weight.effort[0]": 3.0}))
    assert learner.told == {"mass": 4.0}
    learner.accept(ParameterUpdate(2, {"mass": -1.0}))
    assert learner.told == {"mass": 4.0}


def test_a_controller_that_starts_anew_is_led_from_its_own_values():
    learner = adaptation()
    learner.accept(ParameterUpdate(1, {"mass": 4.0}))
    hello = Introduction(100.0, 500.0, "ekf", {"mass": 2.2}).event("sled", epoch=7, build_s=0.0)
    learner.accept(hello)
    assert learner.told == {"mass": 2.2}
    learner.accept(ParameterUpdate(2, {"mass": 2.3}))
    learner.accept(hello)  # said again: it is no other controller
    assert learner.told == {"mass": 2.3}


def test_a_plant_of_another_robot_is_an_error_and_bad_observations_are_counted():
    learner = adaptation()
    learner.accept(observation(ROBOT, 0, [np.nan]))
    assert learner.refused == {"not finite": 1}
    with pytest.raises(NodeError, match="the plant is a 'arm'"):
        learner.accept(observation(ROBOT, 1, [0.0], robot="arm"))


def test_a_repeated_observation_is_taken_once(learned):
    learner = adaptation()
    for k in (0, 1, 1, 1, 2):
        learner.accept(observation(ROBOT, k, [0.1]))
    assert learner.observations == 3


def test_plans_are_as_before_where_nothing_is_learned(learned):
    """Until its first update, what learns beside a controller changes nothing."""
    link, _ = learned
    first = next(i for i, m in enumerate(link.sent) if isinstance(m, ParameterUpdate))
    before = [m.controls.tobytes() for m in link.sent[:first] if isinstance(m, Plan)]
    alone = [p.controls.tobytes() for p in flight(None, 2.0).plans()]
    assert len(before) > 20
    assert alone[: len(before)] == before
