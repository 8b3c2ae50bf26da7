"""Modes exactly at the edges of time, and which plans are believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mpc_controller.bus.messages import EStop, Mode, Plan
from mpc_controller.control.ladder import Ladder
from mpc_controller.control.plan_acceptance import Reject
from mpc_controller.solvers.solution import Status
from tests.control.machines import MS, N, plan, sled

ROBOT = sled()


def ladder(period_ms: int = 10, observations: int = 100) -> Ladder:
    """A plant that has observed every 2 ms from time 0."""
    result = Ladder(ROBOT, period_ms * MS)
    for sequence in range(observations):
        result.acceptance.observed(sequence, 2 * MS * sequence)
    return result


def offered(machine: Ladder, now_ns: int = 0, **changes: Any) -> Reject | None:
    return machine.offer(plan(ROBOT, **changes), now_ns)


def mode_at(machine: Ladder, now_ns: int) -> Mode:
    machine.step(now_ns)
    return machine.mode


def test_before_the_first_plan_it_holds():
    assert mode_at(ladder(), 0) is Mode.HOLD


@pytest.mark.parametrize(
    ("period_ms", "stale_ns", "hold_ns"), [(10, 15 * MS, 30 * MS), (2, 3 * MS, 20 * MS), (20, 30 * MS, 60 * MS)]
)
def test_modes_change_at_one_and_a_half_periods_and_at_three_or_20_ms(period_ms: int, stale_ns: int, hold_ns: int):
    machine = ladder(period_ms)
    assert offered(machine) is None
    assert mode_at(machine, 0) is Mode.NOMINAL
    assert mode_at(machine, stale_ns - 1) is Mode.NOMINAL
    assert mode_at(machine, stale_ns) is Mode.STALE_PLAN
    assert mode_at(machine, hold_ns - 1) is Mode.STALE_PLAN
    assert mode_at(machine, hold_ns) is Mode.HOLD


def test_measured_latency_delays_stale_but_never_hold():
    machine = ladder()
    offered(machine, now_ns=9 * MS, start_ns=0)
    assert machine.latency_ns == 9 * MS
    assert mode_at(machine, 24 * MS - 1) is Mode.NOMINAL
    assert mode_at(machine, 24 * MS) is Mode.STALE_PLAN
    assert mode_at(machine, 30 * MS) is Mode.HOLD


def test_the_end_of_validity_is_a_hold():
    machine = ladder()
    offered(machine, valid_until_ns=7 * MS)
    assert mode_at(machine, 7 * MS - 1) is Mode.NOMINAL
    change = machine.step(7 * MS)
    assert change is not None
    assert (change.before, change.after, change.reason) == (Mode.NOMINAL, Mode.HOLD, "the plan's validity ended")


def test_a_new_plan_leads_back_to_nominal():
    machine = ladder()
    offered(machine)
    assert mode_at(machine, 50 * MS) is Mode.HOLD
    assert offered(machine, 50 * MS, sequence=2, answers_sequence=25) is None
    assert mode_at(machine, 50 * MS) is Mode.NOMINAL


def test_a_plan_is_followed_from_its_start_on():
    machine = ladder()
    offered(machine)
    machine.step(0)
    offered(machine, 10 * MS, sequence=2, answers_sequence=5, times=np.arange(N + 1) * 50 * MS + 12 * MS)
    machine.step(12 * MS - 1)
    assert machine.plan is not None
    assert machine.plan.sequence == 1
    machine.step(12 * MS)
    assert machine.plan.sequence == 2


def test_a_plan_that_waits_for_its_start_is_not_a_missing_one():
    machine = ladder()
    offered(machine)
    machine.step(0)
    offered(machine, 12 * MS, sequence=2, answers_sequence=5, times=np.arange(N + 1) * 50 * MS + 20 * MS)
    assert mode_at(machine, 18 * MS) is Mode.NOMINAL


def test_in_hold_a_plan_is_waited_for_until_its_start():
    machine = ladder()
    offered(machine)
    assert mode_at(machine, 50 * MS) is Mode.HOLD
    offered(machine, 52 * MS, sequence=2, answers_sequence=25, times=np.arange(N + 1) * 50 * MS + 60 * MS)
    assert mode_at(machine, 60 * MS - 1) is Mode.HOLD
    assert mode_at(machine, 60 * MS) is Mode.NOMINAL


def test_a_plan_is_never_postponed_by_newer_ones_for_ever():
    machine = ladder()
    for k in range(1, 8):
        offered(machine, 10 * k * MS, sequence=k, answers_sequence=5 * k, times=np.arange(N + 1) * 50 * MS + (10 * k + 12) * MS)
        machine.step(10 * k * MS)
    assert machine.plan is not None
    assert machine.plan.sequence == 6


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"robot": "other"}, Reject.WRONG_ROBOT),
        ({"model_hash": "0" * 12}, Reject.WRONG_MODEL),
        ({"epoch": 4}, Reject.WRONG_EPOCH),
        ({"sequence": 7}, Reject.DUPLICATE),
        ({"sequence": 6}, Reject.OUT_OF_ORDER),
        ({"status": int(Status.INFEASIBLE)}, Reject.FAILED),
        ({"status": 99}, Reject.FAILED),
        ({"states": np.zeros((N, 2))}, Reject.WRONG_SIZE),
        ({"controls": np.zeros((N, 2))}, Reject.WRONG_SIZE),
        ({"gains": np.zeros((N, 1, 3))}, Reject.WRONG_SIZE),
        ({"times": np.zeros(N + 1, dtype=np.int64)}, Reject.WRONG_SIZE),
        ({"times": np.zeros(0, dtype=np.int64)}, Reject.WRONG_SIZE),
        ({"controls": np.full((N, 1), np.nan)}, Reject.NON_FINITE),
        ({"gains": np.full((N, 1, 2), np.inf)}, Reject.NON_FINITE),
        ({"valid_until_ns": 100 * MS}, Reject.STALE),
        ({"answers_sequence": 35}, Reject.STALE),
        ({"answers_sequence": 99999}, Reject.STALE),
        ({"answers_sequence": -1}, Reject.STALE),
    ],
)
def test_a_bad_plan_is_refused_counted_and_changes_nothing(changes: dict[str, Any], reason: Reject):
    machine = ladder()
    assert offered(machine, 100 * MS, epoch=5, sequence=7, answers_sequence=50) is None
    machine.step(100 * MS)
    good = {"epoch": 5, "sequence": 8, "answers_sequence": 50}
    assert offered(machine, 100 * MS, **(good | changes)) is reason
    assert machine.acceptance.rejected == {reason: 1}
    machine.step(100 * MS)
    assert machine.plan is not None
    assert machine.plan.sequence == 7


def test_an_answer_is_stale_exactly_when_it_would_be_held():
    machine = ladder()
    assert offered(machine, 130 * MS, answers_sequence=50) is Reject.STALE
    assert offered(machine, 130 * MS - 1, answers_sequence=50) is None


def test_the_newest_epoch_takes_the_lease_with_sequences_of_its_own():
    machine = ladder()
    assert offered(machine, epoch=1, sequence=500) is None
    assert offered(machine, epoch=2, sequence=1) is None
    assert offered(machine, epoch=1, sequence=501) is Reject.WRONG_EPOCH


def test_a_failed_solve_of_a_newer_epoch_takes_no_lease():
    machine = ladder()
    offered(machine, epoch=1, sequence=1)
    assert offered(machine, epoch=2, sequence=1, status=int(Status.DIVERGED)) is Reject.FAILED
    assert offered(machine, epoch=1, sequence=2) is None


def test_a_plan_that_comes_after_a_newer_failed_solve_is_out_of_order():
    machine = ladder()
    offered(machine, sequence=1)
    offered(machine, sequence=3, status=int(Status.DIVERGED))
    assert offered(machine, sequence=2) is Reject.OUT_OF_ORDER


def test_before_any_observation_every_answer_is_stale():
    assert offered(ladder(observations=0)) is Reject.STALE


def test_a_stop_is_latched_whatever_plans_come():
    machine = ladder()
    offered(machine)
    machine.e_stop(EStop(1))
    assert mode_at(machine, 0) is Mode.E_STOP
    offered(machine, 2 * MS, sequence=2, answers_sequence=1)
    assert mode_at(machine, 2 * MS) is Mode.E_STOP


def test_only_a_newer_clear_unlatches_and_then_a_new_plan_is_needed():
    machine = ladder()
    offered(machine)
    machine.e_stop(EStop(5))
    machine.e_stop(EStop(5, clear=True))
    machine.e_stop(EStop(4, clear=True))
    assert mode_at(machine, 0) is Mode.E_STOP
    machine.e_stop(EStop(6, clear=True))
    assert mode_at(machine, 0) is Mode.HOLD
    assert offered(machine, 2 * MS, sequence=2, answers_sequence=1) is None
    assert mode_at(machine, 2 * MS) is Mode.NOMINAL


def test_an_old_stop_still_stops():
    machine = ladder()
    machine.e_stop(EStop(9))
    machine.e_stop(EStop(10, clear=True))
    machine.e_stop(EStop(3))
    assert mode_at(machine, 0) is Mode.E_STOP


def test_only_changes_are_told():
    machine = ladder()
    assert machine.step(0) is None  # it was in HOLD
    accepted: Plan = plan(ROBOT)
    machine.offer(accepted, 0)
    assert machine.step(0) is not None
    assert machine.step(1) is None
