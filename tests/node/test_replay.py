"""Recorded observations give the recorded plans, and what differs is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc_controller.bus.codec import decode, encode
from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import Event, EventKind, Message, Observation, ParameterUpdate, Plan
from mpc_controller.node.clock import SimulationClock
from mpc_controller.node.controller import Controller
from mpc_controller.node.error import NodeError
from mpc_controller.node.plan_difference import differences
from mpc_controller.node.plant_node import PlantOptions, run_plant
from mpc_controller.node.replay import ReplayReport, replay
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.robot import Robot
from mpc_controller.solvers.solution import Solution, Status
from tests.control.machines import MS, SledSolver, plan, sled, task
from tests.node.loop import TICK_NS, DirectLink, SledPlant, controller_thread, job, lock_step, run


def replayed(messages: list[Message], robot: Robot | None = None, solver: SledSolver | None = None) -> ReplayReport:
    """As it comes out of a recording."""
    work = task()
    recorded = [decode(encode(message)) for message in messages]
    return replay(recorded, robot or sled(), work, solver or SledSolver(work.problem))


class CostlySolver(SledSolver):
    """Fails now and then, without a cost."""

    def __init__(self, problem: OptimalControlProblem) -> None:
        super().__init__(problem)
        self._count = 0

    def solve(self, *arguments: Any) -> Solution:
        self._count += 1
        solution = super().solve(*arguments)
        if self._count % 9:
            return solution
        return replace(solution, status=Status.INFEASIBLE, cost=np.nan, worst_constraint="control[0]")


def flight(
    disturb: Any = None, script: list[Status] | None = None, solver: SledSolver | None = None, epoch: int = 1, **plant: Any
) -> list[Message]:
    """Half a second of a loop with an update of parameters in it."""
    solver = solver or SledSolver(task().problem)
    link = DirectLink(Controller(job(solver), epoch))

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
    run(SledPlant(**plant), link, 0.5)
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
        if observation.sequence == 151:
            link.controller = Controller(job(), epoch=2)

    report = replayed(flight(restart))
    assert report.is_identical
    assert report.plans == 50


def test_failed_solves_and_those_cut_by_the_deadline_do_not_spoil_the_rest():
    report = replayed(flight(script=[Status.DEADLINE]))
    assert (report.plans, report.identical, report.cut_by_deadline) == (49, 49, 1)
    assert report.is_identical


def test_failed_solves_without_a_cost_are_the_same_as_recorded():
    messages = flight(solver=CostlySolver(task().problem))
    failed = [m for m in messages if isinstance(m, Plan) and m.status == Status.INFEASIBLE]
    assert len(failed) == 5
    assert all(m.cost == np.inf for m in failed)
    report = replayed(messages, solver=CostlySolver(task().problem))
    assert report.is_identical
    assert report.plans == 50


def test_replay_of_a_plant_that_was_started_again_is_bit_identical():
    messages = flight(epoch=1) + flight(epoch=2, position=0.7, seed=1) + flight(epoch=3, position=-0.2, seed=2)
    report = replayed(messages)
    assert report.is_identical
    assert report.plans == 150


def test_words_of_an_operator_survive_a_restart_of_the_plant_and_its_replay():
    bus, work = FakeBus(), task()
    ear = bus.peer_link(newest_only=())
    with controller_thread(bus, SledSolver(work.problem), work) as summaries:
        for seed in (0, 1):
            options = PlantOptions(duration_s=0.4, lock_step=True)
            clock = SimulationClock(TICK_NS, real_time=False)
            with bus.plant_link() as link:
                if seed == 0:
                    bus.put_in(encode(ParameterUpdate(5, {"mass": 2.4})))
                run_plant(SledPlant(seed=seed), sled(), link, clock, options, lambda: False)
    messages = list(ear.receive(0))
    updates = [m for m in messages if isinstance(m, ParameterUpdate)]
    epochs = sorted({m.epoch for m in messages if isinstance(m, Plan)})
    assert summaries[0].epochs == len(epochs) == 2
    assert len(updates) >= 2
    assert {(m.sequence, m.values["mass"]) for m in updates} == {(5, 2.4)}
    told = [m for m in messages if isinstance(m, Event) and m.text == "update 5: mass = 2.4"]
    assert len(told) >= 2
    report = replayed(messages)
    assert report.is_identical
    assert report.plans == 80


@pytest.mark.parametrize(
    "event",
    [
        Event(EventKind.INFO, 0, "operator", "", details={"epoch": "1", "first_lost": "0", "last_lost": "200"}),
        Event(EventKind.INFO, 0, "controller", "", details={"epoch": "1", "first_lost": "all", "last_lost": "9" * 5000}),
        Event(EventKind.INFO, 0, "controller", "", details={"epoch": "1", "first_lost": "5", "last_lost": "9" * 5000}),
        Event(EventKind.INFO, 0, "controller", "", details={"epoch": "1", "first_lost": "5"}),
    ],
    ids=["not a controller", "no number", "no bound", "no end"],
)
def test_events_that_are_no_losses_of_a_controller_are_no_losses(event: Event):
    assert replayed([event, *flight()]).is_identical


def test_losses_without_end_take_no_time():
    details = {"epoch": "1", "first_lost": str(10**18), "last_lost": str(2 * 10**18)}
    assert replayed([Event(EventKind.INFO, 0, "controller", "", details=details), *flight()]).is_identical


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


@pytest.mark.parametrize(
    ("field", "a", "b", "largest"),
    [
        ("cost", 1.0, 1.5, 0.5),
        ("cost", 0.0, -0.0, 0.0),
        ("cost", np.nan, 1.0, np.inf),
        ("tracking", {"e": 1.0}, {"f": 1.0}, np.inf),
        ("tracking", {"e": 1.0, "f": 2.0}, {"e": 1.0, "f": 2.25}, 0.25),
        ("controls", np.zeros((20, 1)), np.zeros((20, 2)), np.inf),
        ("controls", np.zeros((20, 1)), np.full((20, 1), np.inf), np.inf),
        ("worst_constraint", "", "control[0]", np.inf),
        ("status", 0, 3, 3.0),
    ],
)
def test_a_difference_is_found_and_as_large_as_it_is(field: str, a: Any, b: Any, largest: float):
    (difference,) = differences(plan(sled(), **{field: a}), plan(sled(), **{field: b}))
    assert (difference.field, difference.largest) == (field, largest)


@pytest.mark.parametrize("changes", [{"cost": np.nan}, {"tracking": {"e": np.nan}}, {"states": np.full((21, 2), np.nan)}])
def test_what_is_not_a_number_is_the_same_as_itself(changes: dict[str, Any]):
    one = plan(sled(), **changes)
    assert differences(one, decode(encode(one))) == []


def test_a_difference_of_names_is_infinite():
    messages = flight()
    index = next(i for i, m in enumerate(messages) if isinstance(m, Plan) and m.sequence == 7)
    messages[index] = replace(messages[index], tracking={})
    (difference,) = replayed(messages).differences
    assert (difference.sequence, difference.field, difference.largest) == (7, "tracking", np.inf)


def test_the_push_is_seen_in_the_plans():
    """The loop that is replayed is one that works: its estimate of the disturbance is near the truth."""
    plans = [m for m in flight() if isinstance(m, Plan)]
    assert plans[-1].disturbance[0] == pytest.approx(0.8, abs=0.5)
    assert plans[-1].start_ns == 490 * MS
