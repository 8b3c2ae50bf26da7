"""What a listener makes of the words on a bus."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpc_controller.bus.messages import Event, EventKind, Mode, Observation, Plan
from mpc_controller.node.bus_status import BusListener
from mpc_controller.node.introduction import Introduction
from mpc_controller.solvers.solution import Status
from tests.bus.examples import OBSERVATION, PLAN

MS = 1_000_000


def observation(k: int, **changes: object) -> Observation:
    """Every 2 ms; plans are expected every 10 ms."""
    told = {"sequence": k, "time_ns": 2 * k * MS, "mode": Mode.NOMINAL, "lock_step": False, "plan_period_ns": 10 * MS}
    told |= {"plan_epoch": 7, "plan_age_ns": 6 * MS, "awaits_operator": False}
    return replace(OBSERVATION, **(told | changes))  # type: ignore[arg-type]


def plan(k: int, **changes: object) -> Plan:
    told = {"epoch": 7, "sequence": k, "start_ns": 10 * k * MS, "status": int(Status.ITERATION_LIMIT), "solve_time_ns": 80_000}
    return replace(PLAN, **(told | changes))  # type: ignore[arg-type]


def test_rates_are_those_of_the_plants_clock_and_lost_ones_are_counted():
    listener = BusListener()
    for k in range(1, 501):
        if k % 100:
            listener.accept(observation(k), 2 * k * MS + 5)
        if k % 5 == 0:
            listener.accept(plan(k // 5, deadline_missed=k == 50), 2 * k * MS)
            listener.accept(plan(k // 5), 2 * k * MS)  # repeated
    told = listener.status(1000 * MS, declared_hz=500.0)
    assert told.plant is not None
    assert told.plant.lost == 4
    assert told.plant.rate_hz == pytest.approx(500.0, rel=0.02)
    (controller,) = told.controllers
    assert (controller.plans, controller.failed, controller.missed, controller.in_charge) == (100, 0, 1, True)
    assert controller.rate_hz == pytest.approx(100.0)
    assert controller.declared_hz == 100.0
    assert controller.solve_us.p50 == pytest.approx(80.0, rel=0.01)
    assert controller.plan_age_ms.p50 == pytest.approx(6.0, rel=0.01)
    assert told.concerns == ()


def test_what_came_late_is_told():
    listener = BusListener()
    for k in range(1, 201):
        late_ns = 30 * MS if k == 100 else 0
        listener.accept(observation(k), 2 * k * MS + late_ns)
    told = listener.status(500 * MS)
    assert told.plant is not None
    assert told.plant.late_ms.max == pytest.approx(30.0)
    assert told.plant.late_ms.p50 == pytest.approx(0.0, abs=0.11)
    assert told.plant.age_s == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("messages", "concern"),
    [
        ([], "no plant speaks"),
        ([observation(k, mode=Mode.E_STOP) for k in (1, 2)], "the robot is stopped: `mpc estop ROBOT --clear` releases it"),
        ([observation(k, mode=Mode.HOLD, awaits_operator=True) for k in (1, 2)], "an operator has to arm the robot: `mpc arm"),
        ([observation(k, mode=Mode.HOLD) for k in (1, 2)], "no fresh plan is followed: the mode is HOLD"),
        ([observation(k, time_ns=4 * k * MS) for k in (1, 2)], "the plant observes at 250.0 Hz, and should at 500 Hz"),
        ([observation(1), observation(2), plan(1), plan(2, start_ns=30 * MS)], "plans come at 50.0 Hz, and should at 100 Hz"),
        ([observation(1), observation(2), plan(1), plan(2, status=int(Status.DIVERGED))], "1 of 2 solves failed"),
        ([observation(1), observation(2), plan(1), plan(1, epoch=6)], "2 controllers send plans"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(messages: list[Observation | Plan], concern: str):
    listener = BusListener()
    for message in messages:
        listener.accept(message, 0)
    assert any(said.startswith(concern) for said in listener.status(0, 500.0).concerns)


def test_declared_rates_counters_and_health_are_heard():
    listener = BusListener()
    listener.accept(Introduction(100.0, 400.0, "ekf", {}).event("cartpole", 7, 0.1), 0)
    listener.accept(Event(EventKind.INFO, 0, "plant", "health of the robot", details={"motor_temperature_celsius": "41.5"}), 0)
    totals = {"safety_interventions": "2", "rejected_plans": "3", "rejected_plans.stale": "3"}
    listener.accept(Event(EventKind.INFO, 0, "plant", "totals so far: 2 safety interventions", details=totals), 0)
    listener.accept(observation(1), 0)
    plant = listener.status(0, 500.0).plant
    assert plant is not None
    assert plant.declared_hz == 400.0
    assert plant.health == {"motor_temperature_celsius": 41.5}
    assert plant.counters == {"safety_interventions": 2, "rejected_plans": 3, "rejected_plans.stale": 3}
    assert listener.status(0).speakers == {"controller": 1}


def test_a_plant_that_starts_again_starts_a_new_count():
    listener = BusListener()
    for k in (500, 501, 1, 2, 3):
        listener.accept(observation(k), 0)
    plant = listener.status(0, 500.0).plant
    assert plant is not None
    assert (plant.lost, plant.rate_hz) == (0, pytest.approx(500.0))


@pytest.mark.parametrize(
    "forged",
    [
        Event(EventKind.INFO, 0, "plant", "totals so far", details={"rejected_plans": "abc"}),
        Event(EventKind.INFO, 0, "plant", "totals so far", details={"rejected_plans": "1" * 5000}),
        Event(EventKind.INFO, 0, "plant", "health of the robot", details={"temperature": "warm"}),
        *(
            Event(EventKind.INFO, 0, "controller", "", details={"rate_hz": "1", "plant_rate_hz": "1", "estimator": ""} | more)
            for more in ({"epoch": "abc"}, {"epoch": "-1"}, {"epoch": str(2**64)}, {"epoch": "1" * 5000})
        ),
    ],
)
def test_words_that_cannot_be_read_are_counted_and_say_nothing(forged: Event):
    listener = BusListener()
    listener.accept(forged, 0)
    listener.accept(observation(1), 0)
    told = listener.status(0, 500.0)
    assert told.plant is not None
    assert (told.plant.counters, told.plant.health, told.plant.declared_hz) == ({}, {}, 500.0)
    assert told.speakers == {forged.source: 1}


def test_a_plan_whose_status_nobody_knows_failed():
    listener = BusListener()
    listener.accept(observation(1), 0)
    listener.accept(plan(1, status=99), 0)
    (controller,) = listener.status(0).controllers
    assert controller.failed == 1


def test_a_plant_that_starts_again_on_its_host_is_noticed_though_its_time_went_on():
    listener = BusListener()
    for k in (500, 501, 503):
        listener.accept(observation(k), 0)
    for k in (3, 4, 6):  # its first ones were not heard
        listener.accept(observation(k, time_ns=(5000 + 2 * k) * MS), 0)
    plant = listener.status(0, 500.0).plant
    assert plant is not None
    assert (plant.lost, plant.rate_hz) == (1, pytest.approx(2 / 6e-3))
