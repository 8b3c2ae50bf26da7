"""The controller as a function of its messages."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import Event, EventKind, Mode, Observation, ParameterUpdate, Plan, Reference
from mpc_controller.node.controller import ControlJob, Controller
from mpc_controller.node.controller_node import ControllerOptions, run_controller
from mpc_controller.node.error import NodeError
from mpc_controller.solvers.solution import Status
from tests.control.machines import MS, SledSolver, observation, sled, task, top
from tests.node.loop import job, lock_step

ROBOT = sled()


def controller(solver: SledSolver | None = None) -> Controller:
    return Controller(job(solver), epoch=3)


def feed(machine: Controller, count: int, first: int = 0) -> list[Plan]:
    """Observations of a sled at 0.1 m; the plans that answer them."""
    plans = []
    for k in range(first, first + count):
        machine.accept(observation(ROBOT, k, [0.1]))
        if machine.is_due:
            plans.append(machine.plan(0))
    return plans


def test_plans_come_at_the_control_rate_and_answer_what_they_were_made_from():
    plans = feed(controller(), 26)
    assert [p.answers_sequence for p in plans] == [0, 5, 10, 15, 20, 25]
    assert [p.sequence for p in plans] == [1, 2, 3, 4, 5, 6]
    plan = plans[3]
    assert (plan.robot, plan.model_hash, plan.epoch, plan.task) == ("sled", ROBOT.model_hash, 3, "rest")
    assert plan.start_ns == plan.times[0] == 30 * MS
    assert plan.valid_until_ns == plan.times[-1]
    assert plan.tracking == {"position_m": pytest.approx(0.1, abs=1e-3)}
    np.testing.assert_array_equal(plan.reference, [0.0])
    np.testing.assert_array_equal(plan.estimate, plan.states[0])


@pytest.mark.parametrize(
    ("changes", "topic", "text"),
    [
        ({"robot": "arm"}, "other robot", "the plant is a 'arm'; this controller is for a 'sled'"),
        ({"model_hash": "abc"}, "other model", "both sides must run the same version"),
        ({"measured": np.zeros(2)}, "wrong size", "2 measured and 1 control values; 'sled' has 1 and 1"),
        ({"control": np.zeros(4)}, "wrong size", "1 measured and 4 control values"),
        ({"measured": np.array([np.nan])}, "not finite", "not finite: q"),
        ({"control": np.array([np.inf])}, "not finite", "not finite: control"),
    ],
)
def test_a_bad_observation_is_counted_told_and_never_planned_from(changes: dict[str, Any], topic: str, text: str):
    machine = controller()
    feed(machine, 10)
    for k in range(10, 30):
        machine.accept(replace(observation(ROBOT, k, [0.1]), **changes))
        assert not machine.is_due
    (event,) = machine.events.drain()
    assert event.kind is EventKind.REJECTED
    assert text in event.text
    assert machine.events.counts == {topic: 20}
    assert [p.answers_sequence for p in feed(machine, 1, first=30)] == [30]


def test_a_failed_solve_is_sent_without_a_trajectory_and_the_next_plan_is_good():
    solver = SledSolver(task().problem)
    machine = controller(solver)
    feed(machine, 5)
    solver.script = [Status.INFEASIBLE]
    (failed,) = feed(machine, 5, first=5)
    assert failed.status == Status.INFEASIBLE
    assert (failed.times.size, failed.states.shape, failed.gains.shape) == (0, (0, 0), (0, 0, 0))
    assert failed.valid_until_ns == failed.start_ns
    assert [e.kind for e in machine.events.drain()] == [EventKind.SOLVER]
    (good,) = feed(machine, 5, first=10)
    assert good.status == Status.CONVERGED


def test_a_parameter_update_is_used_from_the_next_observation_on():
    machine = controller()
    machine.accept(observation(ROBOT, 0, [0.1]))
    machine.accept(ParameterUpdate(1, {"weight.effort[0]": 50.0}))
    before = machine.plan(0)
    (after,) = feed(machine, 5, first=1)
    assert abs(after.controls[0, 0]) < 0.2 * abs(before.controls[0, 0])
    (event,) = machine.events.drain()
    assert (event.kind, event.text) == (EventKind.PARAMETERS, "update 1: weight.effort[0] = 50")


def test_a_wrong_parameter_update_is_refused_with_its_reason():
    machine = controller()
    machine.accept(ParameterUpdate(9, {"mass": -1.0}))
    feed(machine, 1)
    (event,) = machine.events.drain()
    assert event.kind is EventKind.PARAMETERS
    assert event.text.startswith("update 9 refused: 'mass' is -1 kg; it must be in [0.1, 10] kg")


def test_an_operators_reference_holds_until_its_time():
    machine = controller()
    machine.accept(Reference(1, until_ns=15 * MS, reference=np.array([0.3])))
    assert [p.reference[0] for p in feed(machine, 11)] == [0.3, 0.3, 0.0]


@pytest.mark.parametrize("row", [np.zeros(2), np.array([np.nan])])
def test_a_wrong_reference_is_refused(row: np.ndarray):
    machine = controller()
    machine.accept(Reference(1, until_ns=1000 * MS, reference=row))
    assert feed(machine, 1)[0].reference[0] == 0.0
    assert machine.events.drain()[0].text == "reference 1 refused: it must be 1 finite numbers (q)"


def test_lost_observations_are_named():
    machine = controller()
    feed(machine, 5)
    machine.accept(observation(ROBOT, 9, [0.1]))
    (event,) = machine.events.drain()
    assert event.details == {"epoch": "3", "first_lost": "5", "last_lost": "8"}


def test_a_repeated_observation_is_answered_with_the_same_plan_once():
    machine = controller()
    (plan,) = feed(machine, 1)
    assert machine.take_repeat() is None
    machine.accept(observation(ROBOT, 0, [0.1], lock_step=True))
    assert not machine.is_due
    assert machine.take_repeat() is plan
    assert machine.take_repeat() is None


@pytest.mark.parametrize(("followed_of_ten", "repeats"), [(10, 0), (7, 2)])
def test_plans_are_said_three_times_where_they_get_lost(followed_of_ten: int, repeats: int):
    machine, said, followed = controller(), [], 0
    for k in range(1000):
        if k % 5 == 2 and len(said) % 10 < followed_of_ten:
            followed = len(said)
        machine.accept(observation(ROBOT, k, [0.1], mode=Mode.NOMINAL, plan_epoch=3, plan_sequence=followed))
        if machine.is_due:
            machine.plan(0)
            said.append(0)
        elif machine.take_repeat() is not None:
            said[-1] += 1
    assert said[100:199] == [repeats] * 99


def test_a_plant_that_starts_again_ends_the_epoch():
    machine = controller()
    feed(machine, 20)
    assert not machine.is_over
    machine.accept(observation(ROBOT, 0, [0.1]))
    assert machine.is_over


def test_an_observation_that_the_network_doubled_is_not_answered_again():
    machine = controller()
    feed(machine, 1)
    machine.accept(observation(ROBOT, 0, [0.1]))
    assert machine.take_repeat() is None
    assert not machine.is_over


def test_observations_that_the_network_reordered_change_nothing():
    machine, other = controller(), controller()
    plans = feed(machine, 60)
    random = np.random.default_rng(0)
    for late in random.integers(9, 59, size=60):
        machine.accept(observation(ROBOT, int(late), [0.5]))
    assert not machine.is_over
    assert machine.events.counts["late observations"] == 60
    again = feed(other, 60)
    assert [p.states.tobytes() for p in plans] == [p.states.tobytes() for p in again]
    assert not machine.is_due


def test_a_plant_whose_first_words_were_not_heard_is_known_by_the_next_ones():
    machine = controller()
    feed(machine, 500)
    for k in range(20, 29):
        machine.accept(observation(ROBOT, k, [0.1]))
        assert not machine.is_over
    machine.accept(observation(ROBOT, 29, [0.1]))
    assert machine.is_over


def test_a_robot_that_was_stopped_and_released_is_led_by_a_new_epoch():
    machine = controller()
    feed(machine, 20)
    machine.accept(observation(ROBOT, 20, [0.1], mode=Mode.E_STOP, plan_epoch=4))
    machine.accept(observation(ROBOT, 21, [0.1], mode=Mode.E_STOP, plan_epoch=4))
    assert not machine.is_over
    machine.accept(observation(ROBOT, 22, [0.1], mode=Mode.HOLD, plan_epoch=4))
    assert machine.is_over


def test_a_stop_and_its_release_that_were_not_seen_end_the_epoch_all_the_same():
    machine = controller()
    feed(machine, 20)
    machine.accept(observation(ROBOT, 5000, [0.1], mode=Mode.HOLD, plan_epoch=4))
    assert machine.is_over


def test_a_task_for_another_model_is_refused():
    with pytest.raises(ValueError, match=r"task 'rest' plans with states \('q', 'q_dot'\)"):
        ControlJob(top(), task(), "", job().estimator, job().horizon, 100.0)


def test_more_plans_than_observations_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"'sled' can't be planned for at 1000 Hz: .* makes 500 a second"):
        ControlJob(ROBOT, task(), "", job().estimator, job().horizon, 1000.0)


def test_what_is_not_a_number_never_leaves_the_controller(monkeypatch: pytest.MonkeyPatch):
    solver = SledSolver(task().problem)
    machine = controller(solver)
    solver.script = [Status.NUMERICAL_FAILURE]
    solve = solver.solve
    monkeypatch.setattr(solver, "solve", lambda *a: replace(solve(*a), cost=float("nan")))
    monkeypatch.setattr(machine, "_job", replace(machine._job, task=replace(task(), errors=lambda x, r: {"e_m": np.nan})))
    (plan,) = feed(machine, 1)
    assert (plan.cost, plan.tracking) == (np.inf, {"e_m": np.inf})


def test_what_operators_said_outlives_an_epoch():
    machine = controller()
    for k, words in enumerate([{"mass": 3.0}, {"weight.effort[0]": 0.5}, {"mass": -1.0}, {"mass": 2.5}]):
        machine.accept(ParameterUpdate(k, words))
    assert [m.values for m in machine.operators_words] == [
        {"mass": 3.0},
        {"weight.effort[0]": 0.5},
        {"mass": -1.0},
        {"mass": 2.5},
    ]
    feed(machine, 2)
    machine.accept(ParameterUpdate(9, {"mass": 4.0}))
    assert machine.operators_words == [
        ParameterUpdate(3, {"mass": 2.5, "weight.effort[0]": 0.5}),
        ParameterUpdate(9, {"mass": 4.0}),
    ]


def started(bus: FakeBus, **options: Any) -> None:
    work = task()
    link = bus.peer_link(newest_only=())
    run_controller(ROBOT, work, SledSolver(work.problem), link, ControllerOptions(**options), lambda: False)


def test_without_a_plant_there_is_one_clear_error():
    with pytest.raises(NodeError, match=r"no plant of 'sled' answered within 0.1 s; is one running at this endpoint\?"):
        started(FakeBus(), plant_timeout_s=0.1)


@pytest.mark.parametrize(("changes", "text"), [({"robot": "arm"}, "the plant is a 'arm'"), ({"model_hash": "abc"}, "abc")])
def test_a_plant_of_another_robot_or_model_is_an_error_at_start(changes: dict[str, Any], text: str):
    bus = FakeBus()
    done = threading.Event()

    def talk() -> None:
        with bus.plant_link() as link:
            for k in range(10_000):
                link.send(observation(ROBOT, k, [0.0], **changes))
                if done.wait(0.002):
                    return

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        with pytest.raises(NodeError, match=text):
            started(bus)
    finally:
        done.set()
        thread.join()


def test_lock_step_runs_are_the_same_to_the_last_bit_and_count_everything():
    (first, plant, summary), (second, _, _) = lock_step(seed=4), lock_step(seed=4)
    other, _, _ = lock_step(seed=5)

    def bits(messages: list[Any]) -> list[Any]:
        observations = [m for m in messages if isinstance(m, Observation)]
        unique = {m.sequence: m for m in observations}
        return [(m.time_ns, m.measured.tobytes(), m.control.tobytes(), m.mode, m.plan_sequence) for m in unique.values()]

    assert len(bits(first)) == 500
    assert bits(first) == bits(second)
    assert bits(first) != bits(other)
    assert plant.ticks == 500
    assert (summary.plans, summary.failed_solves, summary.deadline_misses, summary.epochs) == (100, 0, 0, 1)
    assert summary.tracking_max["position_m"] == pytest.approx(0.5, abs=0.01)
    assert any(isinstance(m, Event) and "is ready" in m.text for m in first)
