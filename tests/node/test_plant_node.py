"""The plant's loop against a controller that comes, dies and comes again."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import EStop, Event, EventKind, Mode, Observation, ParameterUpdate, Plan, Reference, Truth
from mpc_controller.node.clock import SimulationClock
from mpc_controller.node.controller import Controller
from mpc_controller.node.error import NodeError
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, run_plant
from robots import load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.control.machines import MS, N, plan, sled
from tests.node.loop import TICK_NS, DirectLink, SledPlant, job, run

SLEW = sled().control_slew[0] * 0.002


def test_the_loop_brings_the_sled_to_rest_despite_a_push_and_a_wrong_mass():
    plant = SledPlant()
    summary = run(plant, DirectLink(Controller(job(), epoch=1)), 3.0)
    assert abs(plant.state[0]) < 0.01
    assert summary.ticks == 1500
    assert summary.duration_s == pytest.approx(3.0)
    assert summary.safety_interventions == 0
    assert summary.rejected_plans == {}
    assert [c["to"] for c in summary.mode_changes] == ["NOMINAL"]
    assert plant.closed


def test_observations_say_what_was_applied_and_by_which_plan():
    plant, link = SledPlant(), DirectLink(Controller(job(), epoch=7))
    run(plant, link, 0.2)
    observations = link.of(Observation)
    assert [o.sequence for o in observations] == list(range(1, 101))
    assert [o.time_ns for o in observations] == [TICK_NS * k for k in range(100)]
    assert {o.plan_period_ns for o in observations} == {10 * MS}
    for before, after in zip(plant.commands, observations[1:], strict=False):
        np.testing.assert_array_equal(after.control, before)
    first, last = observations[0], observations[-1]
    assert (first.mode, first.plan_epoch, first.plan_sequence, first.plan_age_ns) == (Mode.HOLD, 0, 0, 0)
    assert first.latency_ns == -1
    assert (last.mode, last.plan_epoch, last.plan_sequence, last.latency_ns) == (Mode.NOMINAL, 7, 20, 0)
    assert last.plan_age_ns == 8 * MS  # observed at 198 ms; its command was made by the plan for the observation of 190 ms
    assert len(link.of(Truth)) == 100


def test_without_a_controller_it_holds_where_it_is():
    plant = SledPlant(push=0.0)
    summary = run(plant, DirectLink(), 0.5)
    assert abs(plant.state[0] - 0.5) < 1e-3
    assert summary.mode_s == {"HOLD": pytest.approx(0.5)}
    assert summary.safety_interventions == 0


def test_when_the_controller_dies_it_holds_within_three_periods_and_takes_a_new_one_without_a_jump():
    plant = SledPlant()
    link = DirectLink(Controller(job(), epoch=1))
    killed, restarted = 501 * MS, 800 * MS

    def life(observation: Observation) -> None:
        if observation.time_ns == 502 * MS:
            link.controller = None
        if observation.time_ns == restarted:
            link.controller = Controller(job(), epoch=2)

    link.before = life
    summary = run(plant, link, 2.5)
    steps = [(c["from"], c["to"]) for c in summary.mode_changes]
    assert steps == [("HOLD", "NOMINAL"), ("NOMINAL", "STALE_PLAN"), ("STALE_PLAN", "HOLD"), ("HOLD", "NOMINAL")]
    times_ns = [round(c["time_s"] * 1e9) for c in summary.mode_changes]
    assert times_ns[2] - killed <= 30 * MS
    assert times_ns[3] == restarted
    commands = np.array(plant.commands)[:, 0]
    assert max(abs(b - a) for a, b in pairwise([0.0, *commands])) <= SLEW * (1 + 1e-9)
    assert summary.safety_interventions == 0
    assert abs(plant.state[0]) < 0.02
    events = [e for e in link.of(Event) if e.kind is EventKind.MODE_CHANGE]
    assert [(e.details["from"], e.details["to"]) for e in events] == steps
    assert "no plan for 30.0 ms" in events[2].text


def test_in_hold_observations_name_the_last_controller_and_no_plan():
    link = DirectLink(Controller(job(), epoch=7))

    def die(observation: Observation) -> None:
        if observation.time_ns == 100 * MS:
            link.controller = None

    link.before = die
    run(SledPlant(), link, 0.2)
    last = link.of(Observation)[-1]
    assert (last.mode, last.plan_epoch, last.plan_sequence, last.plan_age_ns) == (Mode.HOLD, 7, 0, 0)


@pytest.mark.parametrize("epoch", [4, 6])
def test_a_second_controller_is_refused_counted_and_told(epoch: int):
    link = DirectLink(Controller(job(), epoch=5))

    def intrude(observation: Observation) -> None:
        if observation.sequence >= 10:
            link.waiting.append(plan(sled(), epoch=epoch, sequence=observation.sequence, answers_sequence=observation.sequence))

    link.before = intrude
    summary = run(SledPlant(), link, 1.5)
    assert summary.rejected_plans == {"other controller in charge": 741}
    told = [e for e in link.of(Event) if e.kind is EventKind.REJECTED]
    assert [e.count for e in told] == [1, 501]  # at most once a second
    assert {c["to"] for c in summary.mode_changes} == {"NOMINAL"}


def test_an_operators_stop_is_latched_and_gives_no_effort_within_slew():
    plant, link = SledPlant(), DirectLink(Controller(job(), epoch=1))

    def stop(observation: Observation) -> None:
        if observation.time_ns == 40 * MS:
            link.waiting.append(EStop(1))
        if observation.time_ns == 400 * MS:
            link.waiting.append(EStop(2, clear=True))
        if observation.time_ns == 402 * MS:
            assert link.controller is not None
            assert link.controller.is_over or observation.mode is Mode.HOLD
            link.controller = Controller(job(), epoch=3)

    link.before = stop
    summary = run(plant, link, 0.6)
    assert [c["to"] for c in summary.mode_changes] == ["NOMINAL", "E_STOP", "HOLD", "NOMINAL"]
    commands = np.array(plant.commands)[:, 0]
    assert commands[19] != 0
    assert not commands[26:200].any()
    assert np.abs(np.diff(commands)).max() <= SLEW * (1 + 1e-9)


@pytest.mark.parametrize("reading", [np.array([np.nan]), np.zeros(3), np.zeros(0), np.zeros((1, 1)), np.array(0.0), None])
def test_a_bad_reading_is_counted_told_and_never_planned_from(reading: Any):
    plant, link = SledPlant(), DirectLink(Controller(job(), epoch=1))
    plant.readings = dict.fromkeys((50, 51, 52), reading)
    summary = run(plant, link, 0.5)
    assert summary.invalid_measurements == 3
    assert not {p.answers_sequence for p in link.of(Plan)} & {51, 52, 53}
    assert any(e.kind is EventKind.REJECTED and "the driver gave" in e.text for e in link.of(Event))
    assert np.isfinite(plant.commands).all()
    assert {c["to"] for c in summary.mode_changes} == {"NOMINAL"}


def test_readings_of_any_shape_can_be_sent():
    plant, bus = SledPlant(), FakeBus()
    plant.readings = {3: np.zeros((2, 2)), 4: "nonsense", 5: np.array([np.inf])}
    ear = bus.peer_link(newest_only=())
    with bus.plant_link() as link:
        run(plant, link, 0.02)
    observations = [m for m in ear.receive(0) if isinstance(m, Observation)]
    assert [o.measured.shape for o in observations] == [(1,)] * 3 + [(0,)] * 2 + [(1,)] * 5


def test_a_car_whose_sensors_die_brakes_a_moment_longer_and_then_stops_for_good():
    robot = load_robot("car")
    state = robot.tasks["lane-keep"]().initial_state.copy()
    state[3] = 1.6  # m/s forward: the brake needs 0.8 s
    plant, speeds = MujocoPlant(robot, state, SimTruth(), 0, 0.002), []

    class Dying(Plant):
        def apply(self, u: np.ndarray) -> None:
            plant.apply(u)

        def close(self) -> None:
            plant.close()

        def read(self) -> tuple[np.ndarray, np.ndarray]:
            measured, truth = plant.read()
            speeds.append(truth[3])
            return (measured if len(speeds) <= 200 else np.full_like(measured, np.nan)), truth

    link = DirectLink()
    clock = SimulationClock(TICK_NS, real_time=False)
    summary = run_plant(Dying(), robot, link, clock, PlantOptions(duration_s=6.0), lambda: False)
    (change,) = summary.mode_changes
    assert (change["to"], change["reason"]) == ("E_STOP", "no sound measurement for 100 ms")
    assert change["time_s"] == pytest.approx(0.398 + 0.1)
    assert speeds[199] < 1.0  # it was braking
    assert min(speeds) > -0.05
    assert not any(o.control.any() for o in link.of(Observation)[260:])


def test_a_hold_law_that_breaks_is_caught_by_the_gate_and_counted():
    robot = sled(hold=lambda x, planned: np.array([np.nan]))
    plant, link = SledPlant(), DirectLink(Controller(job(robot=robot), epoch=1))

    def die(observation: Observation) -> None:
        if observation.time_ns == 100 * MS:
            link.controller = None

    link.before = die
    summary = run(plant, link, 0.2, robot)
    assert np.isfinite(plant.commands).all()
    assert summary.safety_interventions == 40  # from the hold at 120 ms on: the last plan answers the observation of 90 ms
    assert [e.count for e in link.of(Event) if e.kind is EventKind.SAFETY] == [1]


def jumping_plan(observation: Observation, jump_ns: int) -> Plan:
    """No force before a time and 10 N after it, more than two ticks of slew."""
    times = np.arange(N + 1, dtype=np.int64) * 50 * MS + observation.time_ns
    return plan(
        sled(),
        sequence=observation.sequence,
        answers_sequence=observation.sequence,
        start_ns=observation.time_ns,
        times=times,
        valid_until_ns=int(times[-1]),
        controls=np.full((N, 1), 10.0 if observation.time_ns >= jump_ns else 0.0),
    )


@pytest.mark.parametrize(("jump_ms", "limited", "interventions"), [(0, 2, 0), (196, 2, 0), (200, 0, 2), (400, 0, 2)])
def test_a_jump_of_the_plan_is_an_intervention_but_where_a_new_one_takes_over(jump_ms: int, limited: int, interventions: int):
    plant, link = SledPlant(), DirectLink()
    link.before = lambda observation: link.waiting.append(jumping_plan(observation, jump_ms * MS))
    summary = run(plant, link, 0.5)
    assert (summary.limited_ticks, summary.safety_interventions) == (limited, interventions)
    assert np.abs(np.diff([0.0, *np.array(plant.commands)[:, 0]])).max() <= SLEW * (1 + 1e-9)


def totals(link: DirectLink) -> list[Event]:
    return [e for e in link.of(Event) if "safety_interventions" in e.details]


def test_totals_are_told_when_they_change_at_most_once_a_second_and_at_the_end():
    plant, link = SledPlant(), DirectLink()
    link.before = lambda observation: link.waiting.append(jumping_plan(observation, 400 * MS))
    plant.readings = {2: np.zeros(3), 900: np.zeros(3)}
    summary = run(plant, link, 3.0)
    told = totals(link)
    assert [e.time_ns // MS for e in told] == [0, 1000, 2000, 2998]
    assert [int(e.details["invalid_measurements"]) for e in told] == [0, 1, 2, 2]
    assert {e.source for e in told} == {"plant"}
    last = told[-1].details
    assert link.sent[-1] is told[-1]
    assert int(last["safety_interventions"]) == summary.safety_interventions == 2
    assert int(last["limited_ticks"]) == summary.limited_ticks
    assert int(last["overruns"]) == summary.overruns


def test_the_last_totals_have_the_refused_plans_by_reason_and_come_even_when_the_plant_breaks_down():
    class Breaking(SledPlant):
        def apply(self, u: np.ndarray) -> None:
            super().apply(u)
            self.failure = "overheating" if len(self.commands) == 20 else ""

    link = DirectLink()
    link.before = lambda observation: link.waiting.append(plan(sled(), robot="arm"))
    with pytest.raises(NodeError, match="overheating"):
        run(Breaking(), link, 1.0)
    details = totals(link)[-1].details
    assert (details["rejected_plans"], details["rejected_plans.wrong robot"]) == ("20", "20")


ABSURD = [
    {"times": np.array([0, 2**63 - 1]), "valid_until_ns": 2**63 - 1},
    {"times": np.array([-(2**63), 2**63 - 1]), "start_ns": -(2**63), "valid_until_ns": 2**63 - 1},
    {"epoch": 2**64 - 1, "sequence": 2**64 - 1},
    {"answers_sequence": 2**64 - 1},
    {"gains": np.full((1, 1, 2), 1e308)},
    {"states": np.full((2, 2), 1e308), "gains": np.full((1, 1, 2), -1e308)},
    {"states": np.full((2, 2), -1e308)},
    {"robot": "\0", "model_hash": ""},
    {"reference": np.full(3, np.nan), "tracking": {"": math.inf}, "cost": -math.inf},
]


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("changes", ABSURD)
def test_the_loop_survives_whatever_can_be_decoded(changes: dict[str, Any]):
    times, states, controls, gains = np.array([0, 1000 * MS]), np.zeros((2, 2)), np.zeros((1, 1)), np.zeros((1, 1, 2))
    fields = {"answers_sequence": 1, "times": times, "states": states, "controls": controls, "gains": gains}
    plant, bus = SledPlant(), FakeBus()
    peer = bus.peer_link()
    others = (EStop(2**64 - 1), EStop(2**64 - 1, clear=True), Event(EventKind.INFO, -(2**63), "", "", 2**64 - 1))
    others += (Reference(0, 2**63 - 1, np.zeros(0)), ParameterUpdate(0, {"": math.nan}))
    with bus.plant_link() as link:
        for message in (plan(sled(), **(fields | changes)), *others):
            peer.send(message)
            run(plant, link, 0.05)
    assert np.isfinite(plant.commands).all()
    assert len(plant.commands) == 25 * 6


def test_a_plant_that_breaks_down_ends_the_run_in_one_line_and_is_closed():
    class Breaking(SledPlant):
        def apply(self, u: np.ndarray) -> None:
            super().apply(u)
            self.failure = "the motor driver reports overheating" if len(self.commands) == 7 else ""

    plant = Breaking()
    with pytest.raises(NodeError, match="overheating"):
        run(plant, DirectLink(), 1.0)
    assert plant.closed


def test_lock_step_without_a_controller_says_so():
    options = PlantOptions(lock_step=True, answer_timeout_s=0.1)
    clock = SimulationClock(TICK_NS, real_time=False)
    with FakeBus().plant_link() as link, pytest.raises(NodeError, match="no controller answered observation 1"):
        run_plant(SledPlant(), sled(), link, clock, options, lambda: False)


def test_a_reading_that_no_observation_can_hold_is_an_invalid_one():
    plant = SledPlant()
    plant.readings = {5: np.full(9000, 0.1)}
    assert run(plant, DirectLink(), 0.1).invalid_measurements == 1


def test_it_ends_when_told_to():
    link = DirectLink()
    clock = SimulationClock(TICK_NS, real_time=False)
    summary = run_plant(SledPlant(), sled(), link, clock, PlantOptions(), lambda: len(link.sent) > 50)
    assert summary.ticks > 10


def test_a_stop_is_heard_while_a_lock_step_plant_waits_for_a_plan():
    bus = FakeBus()
    operator = bus.peer_link(newest_only=())
    options = PlantOptions(lock_step=True, answer_timeout_s=20.0, duration_s=0.03)
    clock = SimulationClock(TICK_NS, real_time=False)
    with bus.plant_link() as link:
        operator.send(EStop(1))
        summary = run_plant(SledPlant(), sled(), link, clock, options, lambda: False)
    assert [c["to"] for c in summary.mode_changes] == ["E_STOP"]
