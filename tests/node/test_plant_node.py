"""The plant's loop against a controller that comes, dies and comes again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import EStop, Event, EventKind, Mode, Observation, Plan, Truth
from mpc_controller.node.clock import SimulationClock
from mpc_controller.node.controller import Controller
from mpc_controller.node.error import NodeError
from mpc_controller.node.plant_node import PlantOptions, run_plant
from tests.control.machines import MS, plan, sled
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
    assert [o.sequence for o in observations] == list(range(100))
    assert [o.time_ns for o in observations] == [TICK_NS * k for k in range(100)]
    for before, after in zip(plant.commands, observations[1:], strict=False):
        np.testing.assert_array_equal(after.control, before)
    assert (observations[0].mode, observations[0].plan_epoch, observations[0].latency_ns) == (Mode.HOLD, 0, -1)
    last = observations[-1]
    assert (last.mode, last.plan_epoch, last.plan_sequence, last.latency_ns) == (Mode.NOMINAL, 7, 20, 0)
    assert last.plan_age_ns == 6 * MS  # made two milliseconds before, by the plan of 8 ms before
    assert len(link.of(Truth)) == 100


def test_without_a_controller_it_holds_the_neutral_command():
    plant = SledPlant()
    summary = run(plant, DirectLink(), 0.1)
    assert not np.any(plant.commands)
    assert summary.mode_s == {"HOLD": pytest.approx(0.1)}


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


def test_plans_of_the_old_epoch_are_counted_and_dropped():
    link = DirectLink(Controller(job(), epoch=5))

    def intrude(observation: Observation) -> None:
        if observation.sequence >= 10:
            link.waiting.append(plan(sled(), epoch=4, sequence=observation.sequence, answers_sequence=observation.sequence))

    link.before = intrude
    summary = run(SledPlant(), link, 1.5)
    assert summary.rejected_plans == {"wrong epoch": 740}
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

    link.before = stop
    summary = run(plant, link, 0.6)
    assert [c["to"] for c in summary.mode_changes] == ["NOMINAL", "E_STOP", "NOMINAL"]
    commands = np.array(plant.commands)[:, 0]
    assert commands[19] != 0
    assert not commands[26:200].any()
    assert np.abs(np.diff(commands)).max() <= SLEW * (1 + 1e-9)


@pytest.mark.parametrize("reading", [np.array([np.nan]), np.zeros(3), np.zeros(0)])
def test_a_bad_reading_is_counted_told_and_never_planned_from(reading: np.ndarray):
    plant, link = SledPlant(), DirectLink(Controller(job(), epoch=1))
    plant.readings = dict.fromkeys((50, 51, 52), reading)
    summary = run(plant, link, 0.5)
    assert summary.invalid_measurements == 3
    assert not {p.answers_sequence for p in link.of(Plan)} & {50, 51, 52}
    assert any(e.kind is EventKind.REJECTED and "the driver gave" in e.text for e in link.of(Event))
    assert np.isfinite(plant.commands).all()
    assert {c["to"] for c in summary.mode_changes} == {"NOMINAL"}


def test_a_sensor_that_stays_dead_leads_to_hold():
    plant, link = SledPlant(), DirectLink(Controller(job(), epoch=1))
    plant.readings = {k: np.array([np.nan]) for k in range(100, 200)}
    summary = run(plant, link, 0.3)
    assert summary.mode_changes[2]["to"] == "HOLD"
    assert np.isfinite(plant.commands).all()


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
    with FakeBus().plant_link() as link, pytest.raises(NodeError, match="no controller answered observation 0"):
        run_plant(SledPlant(), sled(), link, clock, options, lambda: False)


def test_it_ends_when_told_to():
    link = DirectLink()
    clock = SimulationClock(TICK_NS, real_time=False)
    summary = run_plant(SledPlant(), sled(), link, clock, PlantOptions(), lambda: len(link.sent) > 50)
    assert summary.ticks > 10
