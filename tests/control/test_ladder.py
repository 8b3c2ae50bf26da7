"""Modes exactly at the edges of time, and when a plan starts to be followed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mpc_controller.bus.messages import EStop, Mode
from mpc_controller.control.ladder import Ladder
from mpc_controller.control.reject import Reject
from tests.control.machines import MS, N, plan, sled

ROBOT = sled()
GRID = np.arange(N + 1) * 50 * MS


def ladder(period_ms: int = 10) -> Ladder:
    """A plant that has observed every 2 ms from time 0, with the sequences 0 to 99."""
    result = Ladder(ROBOT, period_ms * MS)
    for sequence in range(100):
        result.acceptance.observed(sequence, 2 * MS * sequence)
    return result


def offered(machine: Ladder, now_ns: int = 0, answers: int = 0, start_ns: int | None = None, **changes: Any) -> Reject | None:
    """A plan that starts with the observation that it answers, unless told otherwise."""
    start_ns = 2 * MS * answers if start_ns is None else start_ns
    fields = {"start_ns": start_ns, "times": GRID + start_ns, "valid_until_ns": start_ns + int(GRID[-1])}
    return machine.offer(plan(ROBOT, answers_sequence=answers, **(fields | changes)), now_ns)


def mode_at(machine: Ladder, now_ns: int) -> Mode:
    machine.step(now_ns)
    return machine.mode


def followed_at(machine: Ladder, now_ns: int) -> int:
    machine.step(now_ns)
    assert machine.plan is not None
    return machine.plan.sequence


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
    offered(machine, now_ns=9 * MS)
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
    assert offered(machine, 50 * MS, answers=25, sequence=2) is None
    assert mode_at(machine, 50 * MS) is Mode.NOMINAL


def test_a_plan_is_followed_from_its_start_on():
    machine = ladder()
    offered(machine)
    machine.step(0)
    offered(machine, 10 * MS, answers=5, start_ns=12 * MS, sequence=2)
    assert followed_at(machine, 12 * MS - 1) == 1
    assert followed_at(machine, 12 * MS) == 2


def test_a_plan_that_waits_for_its_start_is_not_a_missing_one():
    machine = ladder()
    offered(machine)
    machine.step(0)
    offered(machine, 12 * MS, answers=5, start_ns=20 * MS, sequence=2)
    assert mode_at(machine, 18 * MS) is Mode.NOMINAL


def test_in_hold_a_plan_is_waited_for_until_its_start():
    machine = ladder()
    offered(machine)
    assert mode_at(machine, 50 * MS) is Mode.HOLD
    offered(machine, 52 * MS, answers=25, start_ns=60 * MS, sequence=2)
    assert mode_at(machine, 60 * MS - 1) is Mode.HOLD
    assert mode_at(machine, 60 * MS) is Mode.NOMINAL


def test_every_plan_starts_in_time_however_many_newer_ones_wait():
    """Plans come every 10 ms and start 22 ms after they came: two or three wait at any time."""
    machine = ladder()
    for k in range(1, 9):
        assert offered(machine, 10 * k * MS, answers=5 * k, start_ns=(10 * k + 22) * MS, sequence=k) is None
        machine.step(10 * k * MS)
    assert followed_at(machine, 82 * MS - 1) == 5
    assert followed_at(machine, 82 * MS) == 6
    assert followed_at(machine, 99 * MS) == 7


def test_a_newer_plan_that_starts_earlier_replaces_those_that_wait():
    machine = ladder()
    offered(machine, 2 * MS, start_ns=20 * MS, sequence=1)
    offered(machine, 4 * MS, start_ns=25 * MS, sequence=2)
    offered(machine, 6 * MS, answers=2, start_ns=10 * MS, sequence=3)
    assert followed_at(machine, 10 * MS) == 3
    assert followed_at(machine, 26 * MS) == 3


def test_a_new_controller_does_not_wait_for_plans_of_the_one_before():
    machine = ladder()
    offered(machine, 2 * MS, start_ns=10 * MS, epoch=1, sequence=1)
    offered(machine, 4 * MS, start_ns=12 * MS, epoch=2, sequence=1)
    assert mode_at(machine, 11 * MS) is Mode.HOLD
    assert followed_at(machine, 12 * MS) == 1
    assert machine.plan is not None
    assert machine.plan.epoch == 2


def test_while_plans_are_followed_no_other_controller_is_heard():
    machine = ladder()
    assert offered(machine, epoch=4, sequence=500) is None
    machine.step(0)
    for epoch in (3, 5):
        assert offered(machine, 2 * MS, answers=1, epoch=epoch, sequence=501) is Reject.OTHER_IN_CHARGE
    assert mode_at(machine, 20 * MS) is Mode.STALE_PLAN
    assert offered(machine, 20 * MS, answers=10, epoch=5, sequence=1) is Reject.OTHER_IN_CHARGE


@pytest.mark.parametrize(("epoch", "reason"), [(4, None), (5, None), (3, Reject.WRONG_EPOCH)])
def test_from_hold_the_same_controller_leads_again_or_one_started_since(epoch: int, reason: Reject | None):
    machine = ladder()
    offered(machine, epoch=4, sequence=500)
    machine.step(0)
    assert mode_at(machine, 30 * MS) is Mode.HOLD
    assert offered(machine, 40 * MS, answers=20, epoch=epoch, sequence=501) is reason


def test_a_plan_that_was_too_old_when_its_start_came_leaves_the_lead_free():
    machine = ladder()
    offered(machine, 25 * MS, start_ns=50 * MS, epoch=1)
    assert mode_at(machine, 50 * MS) is Mode.HOLD
    assert offered(machine, 50 * MS, answers=24, epoch=2) is None


def test_a_stop_ends_the_lead():
    machine = ladder()
    offered(machine, epoch=1)
    machine.step(0)
    machine.e_stop(EStop(1))
    assert mode_at(machine, 2 * MS) is Mode.E_STOP
    assert machine.lease.epoch == 2  # the stop's own
    assert offered(machine, 2 * MS, answers=1, epoch=3) is None


def test_a_stop_is_latched_whatever_plans_come():
    machine = ladder()
    offered(machine)
    machine.e_stop(EStop(1))
    assert mode_at(machine, 0) is Mode.E_STOP
    offered(machine, 2 * MS, answers=1, sequence=2)
    assert mode_at(machine, 2 * MS) is Mode.E_STOP


def test_only_a_newer_clear_unlatches_and_then_a_plan_of_a_new_epoch_is_needed():
    machine = ladder()
    offered(machine)
    machine.e_stop(EStop(5))
    machine.e_stop(EStop(5, clear=True))
    machine.e_stop(EStop(4, clear=True))
    assert mode_at(machine, 0) is Mode.E_STOP
    machine.e_stop(EStop(6, clear=True))
    assert mode_at(machine, 0) is Mode.HOLD
    assert offered(machine, 2 * MS, answers=1, sequence=2) is Reject.WRONG_EPOCH
    assert offered(machine, 2 * MS, answers=1, sequence=1, epoch=2) is Reject.WRONG_EPOCH
    assert offered(machine, 2 * MS, answers=1, sequence=1, epoch=3) is None
    assert mode_at(machine, 2 * MS) is Mode.NOMINAL


def test_a_release_of_a_robot_that_is_not_stopped_changes_nothing():
    machine = ladder()
    offered(machine)
    assert mode_at(machine, 0) is Mode.NOMINAL
    machine.e_stop(EStop(5, clear=True))
    assert mode_at(machine, 0) is Mode.NOMINAL


def test_an_old_stop_still_stops():
    machine = ladder()
    machine.e_stop(EStop(9))
    machine.e_stop(EStop(10, clear=True))
    machine.e_stop(EStop(3))
    assert mode_at(machine, 0) is Mode.E_STOP


def test_100_ms_without_a_sound_measurement_are_a_stop():
    machine = ladder()
    machine.measured(4 * MS)
    assert mode_at(machine, 104 * MS - 1) is Mode.HOLD
    change = machine.step(104 * MS)
    assert change is not None
    assert (change.after, change.reason) == (Mode.E_STOP, "no sound measurement for 100 ms")


def test_sensors_that_come_back_do_not_unlatch_and_a_clear_without_them_does_not_last():
    machine = ladder()
    machine.measured(0)
    assert mode_at(machine, 100 * MS) is Mode.E_STOP
    machine.e_stop(EStop(1, clear=True))
    assert mode_at(machine, 102 * MS) is Mode.E_STOP
    machine.measured(104 * MS)
    assert mode_at(machine, 104 * MS) is Mode.E_STOP
    machine.e_stop(EStop(2, clear=True))
    assert mode_at(machine, 106 * MS) is Mode.HOLD


def test_sensors_that_never_spoke_are_not_missed():
    assert mode_at(ladder(), 10_000 * MS) is Mode.HOLD


def test_only_changes_are_told():
    machine = ladder()
    assert machine.step(0) is None  # it was in HOLD
    offered(machine)
    assert machine.step(0) is not None
    assert machine.step(1) is None
