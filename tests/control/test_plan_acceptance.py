"""Which plans are believed, and that every other one is counted under what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc_controller.bus.messages import Claim, Plan
from mpc_controller.control.lease import Lease
from mpc_controller.control.plan_acceptance import PlanAcceptance
from mpc_controller.control.reject import Reject
from mpc_controller.robot import Robot
from mpc_controller.solvers.solution import Status
from tests.control.machines import MS, N, plan, sled, top

ROBOT = sled()
HOUR = 3600 * 1000 * MS
NOW, ANSWERED, OLDEST = 100 * MS, 96 * MS, 30 * MS
GRID = np.arange(N + 1) * 50 * MS


def acceptance(robot: Robot = ROBOT) -> PlanAcceptance:
    """It has observed every 2 ms from time 0 with the sequences 1 to 100, and followed plan 7 of epoch 5."""
    result = PlanAcceptance(robot, OLDEST, Lease())
    for k in range(100):
        result.observed(k + 1, 2 * MS * k)
    assert result.judge(good(robot, sequence=7), NOW, is_led=False) == (None, ANSWERED)
    return result


def good(machine: Robot = ROBOT, **changes: Any) -> Plan:
    start = int(changes.get("start_ns", ANSWERED))
    fields = {"epoch": 5, "sequence": 8, "answers_sequence": 49, "start_ns": start, "times": GRID + start}
    return plan(machine, **(fields | {"valid_until_ns": start + int(GRID[-1])} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": int(Status.ITERATION_LIMIT)},
        {"start_ns": NOW + OLDEST},
        {"valid_until_ns": NOW + 1},
        {"controls": np.full((N, 1), 20.0 + 0.5e-3 * 40)},
        {"answers_sequence": 37, "start_ns": ANSWERED},
    ],
)
def test_a_good_plan_is_taken(changes: dict[str, Any]):
    machine = acceptance()
    assert machine.judge(good(**changes), NOW, is_led=True)[0] is None
    assert machine.rejected == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"robot": "other"}, Reject.WRONG_ROBOT),
        ({"model_hash": "0" * 12}, Reject.WRONG_MODEL),
        ({"epoch": 4}, Reject.WRONG_EPOCH),
        ({"epoch": 6, "claim": Claim.NONE}, Reject.UNCLAIMED),
        ({"sequence": 7}, Reject.DUPLICATE),
        ({"sequence": 6}, Reject.OUT_OF_ORDER),
        ({"status": int(Status.INFEASIBLE)}, Reject.FAILED),
        ({"status": 99}, Reject.FAILED),
        ({"states": np.zeros((N, 2))}, Reject.WRONG_SIZE),
        ({"controls": np.zeros((N, 2))}, Reject.WRONG_SIZE),
        ({"gains": np.zeros((N, 1, 3))}, Reject.WRONG_SIZE),
        ({"times": np.full(N + 1, ANSWERED)}, Reject.WRONG_SIZE),
        ({"times": np.zeros(0, dtype=np.int64)}, Reject.WRONG_SIZE),
        ({"controls": np.full((N, 1), np.nan)}, Reject.NON_FINITE),
        ({"gains": np.full((N, 1, 2), np.inf)}, Reject.NON_FINITE),
        ({"times": GRID + ANSWERED + 1}, Reject.WRONG_START),
        ({"times": GRID + ANSWERED + HOUR}, Reject.WRONG_START),
        ({"valid_until_ns": ANSWERED + int(GRID[-1]) + 1}, Reject.WRONG_END),
        ({"start_ns": NOW - HOUR, "valid_until_ns": NOW + HOUR}, Reject.WRONG_END),
        ({"controls": np.full((N, 1), 20.1)}, Reject.OUT_OF_RANGE),
        ({"controls": np.full((N, 1), -1e6)}, Reject.OUT_OF_RANGE),
        ({"answers_sequence": 36}, Reject.STALE),
        ({"answers_sequence": 99999}, Reject.STALE),
        ({"answers_sequence": 0}, Reject.STALE),
        ({"start_ns": ANSWERED - 1}, Reject.BEFORE_OBSERVATION),
        ({"start_ns": NOW - HOUR}, Reject.BEFORE_OBSERVATION),
        ({"start_ns": NOW + OLDEST + 1}, Reject.TOO_FAR_AHEAD),
        ({"start_ns": NOW + HOUR}, Reject.TOO_FAR_AHEAD),
        ({"valid_until_ns": NOW}, Reject.ENDED),
    ],
)
def test_a_bad_plan_is_refused_and_counted(changes: dict[str, Any], reason: Reject):
    machine = acceptance()
    assert machine.judge(good(**changes), NOW, is_led=False)[0] is reason
    assert machine.rejected == {reason: 1}
    assert machine.judge(good(sequence=9), NOW, is_led=True)[0] is None


@pytest.mark.parametrize("length", [0.0, 0.999, 1.0001, 1e200])
def test_a_quaternion_must_have_unit_length(length: float):
    robot = top()
    machine = acceptance(robot)
    states = good(robot).states.copy()
    states[3, :4] = 0.0, length, 0.0, 0.0
    assert machine.judge(replace(good(robot), states=states), NOW, is_led=True)[0] is Reject.NO_QUATERNION


def test_every_reason_has_a_name_of_its_own():
    assert len({reason.value for reason in Reject}) == len(Reject)


def test_an_epoch_of_zero_is_nobodys():
    machine = PlanAcceptance(ROBOT, OLDEST, Lease())
    machine.observed(49, ANSWERED)
    assert machine.judge(good(epoch=0), NOW, is_led=False)[0] is Reject.WRONG_EPOCH


def test_before_any_observation_every_answer_is_stale():
    assert PlanAcceptance(ROBOT, OLDEST, Lease()).judge(good(), NOW, is_led=False)[0] is Reject.STALE


def test_a_refused_plan_of_a_newer_epoch_takes_no_lead():
    machine = acceptance()
    failed = good(epoch=6, sequence=1, status=int(Status.DIVERGED))
    assert machine.judge(failed, NOW, is_led=False)[0] is Reject.FAILED
    assert machine.lease.epoch == 5
    assert machine.judge(good(), NOW, is_led=True)[0] is None


def test_a_new_epoch_leads_with_sequences_of_its_own():
    machine = acceptance()
    assert machine.judge(good(epoch=6, sequence=1), NOW, is_led=False)[0] is None
    assert machine.lease.epoch == 6
    assert machine.judge(good(epoch=5, sequence=9), NOW, is_led=False)[0] is Reject.WRONG_EPOCH


def test_a_plan_that_comes_after_a_newer_failed_solve_is_out_of_order():
    machine = acceptance()
    machine.judge(good(sequence=9, status=int(Status.DIVERGED)), NOW, is_led=True)
    assert machine.judge(good(sequence=8), NOW, is_led=True)[0] is Reject.OUT_OF_ORDER


def test_only_a_plan_that_says_so_takes_over_from_one_that_leads():
    machine = acceptance()
    assert machine.judge(good(epoch=6, sequence=1), NOW, is_led=True)[0] is Reject.OTHER_IN_CHARGE
    assert machine.judge(good(epoch=4, sequence=1, claim=Claim.TAKE_OVER), NOW, is_led=True)[0] is Reject.WRONG_EPOCH
    bad = good(epoch=6, sequence=1, claim=Claim.TAKE_OVER, controls=np.full((N, 1), np.nan))
    assert machine.judge(bad, NOW, is_led=True)[0] is Reject.NON_FINITE
    assert machine.lease.epoch == 5
    assert machine.judge(good(epoch=6, sequence=1, claim=Claim.TAKE_OVER), NOW, is_led=True)[0] is None
    assert machine.judge(good(sequence=9), NOW, is_led=True)[0] is Reject.OTHER_IN_CHARGE
    assert machine.lease.epoch == 6


def test_the_one_that_leads_claims_nothing():
    assert acceptance().judge(good(claim=Claim.NONE), NOW, is_led=False)[0] is None


def test_a_failed_solve_that_answers_nothing_known_leaves_the_order_as_it_was():
    machine = acceptance()
    forged = good(sequence=2**64 - 1, status=int(Status.DIVERGED), answers_sequence=10**9)
    assert machine.judge(forged, NOW, is_led=True)[0] is Reject.FAILED
    assert machine.judge(good(), NOW, is_led=True)[0] is None
