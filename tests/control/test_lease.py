"""Who may command: one epoch at a time, and where an operator arms, after the operator's word only."""

from __future__ import annotations

import pytest

from mpc_controller.bus.messages import Claim
from mpc_controller.control.lease import Lease
from mpc_controller.control.reject import Reject
from tests.control.machines import plan, sled

ROBOT = sled()


def verdict(lease: Lease, epoch: int, claim: Claim, is_led: bool) -> Reject | None:
    return lease.refusal(plan(ROBOT, epoch=epoch, claim=claim), is_led)


def held(epoch: int = 5, operator_arms: bool = False) -> Lease:
    lease = Lease(operator_arms)
    lease.arm(0)
    lease.take(epoch, is_led=False, observed_ns=0)
    lease.followed()
    return lease


@pytest.mark.parametrize("is_led", [False, True])
@pytest.mark.parametrize("claim", list(Claim))
def test_its_holder_need_not_claim(claim: Claim, is_led: bool):
    assert verdict(held(), 5, claim, is_led) is None


def test_a_higher_epoch_takes_a_free_lease_by_a_claim_and_a_led_one_by_taking_over():
    assert verdict(held(), 6, Claim.NONE, is_led=False) is Reject.UNCLAIMED
    assert verdict(held(), 6, Claim.IF_FREE, is_led=False) is None
    assert verdict(held(), 6, Claim.IF_FREE, is_led=True) is Reject.OTHER_IN_CHARGE
    assert verdict(held(), 6, Claim.TAKE_OVER, is_led=True) is None


@pytest.mark.parametrize("claim", list(Claim))
def test_a_lower_epoch_never_leads(claim: Claim):
    assert verdict(held(), 4, claim, is_led=False) is Reject.WRONG_EPOCH


@pytest.mark.parametrize("claim", list(Claim))
def test_a_stop_takes_the_next_epoch_and_whoever_led_needs_a_later_one(claim: Claim):
    lease = held(5)
    lease.stopped(100)
    assert lease.epoch == 6
    lease.released(200)
    for epoch in (5, 6):
        assert verdict(lease, epoch, claim, is_led=False) is Reject.WRONG_EPOCH
    assert verdict(lease, 7, Claim.NONE, is_led=False) is Reject.UNCLAIMED
    assert verdict(lease, 7, Claim.IF_FREE, is_led=False) is None


def test_an_epoch_after_which_there_is_none_never_leads_and_a_stop_before_it_is_the_last():
    lease = held(2**64 - 2)
    assert verdict(lease, 2**64 - 1, Claim.TAKE_OVER, is_led=True) is Reject.WRONG_EPOCH
    lease.stopped(100)
    lease.stopped(200)
    assert lease.epoch == 2**64 - 1
    for epoch in (2**64 - 2, 2**64 - 1):
        assert verdict(lease, epoch, Claim.TAKE_OVER, is_led=False) is Reject.WRONG_EPOCH


def test_without_a_word_of_the_operator_nobody_leads():
    lease = Lease(operator_arms=True)
    assert verdict(lease, 1, Claim.TAKE_OVER, is_led=False) is Reject.AWAITS_OPERATOR
    assert not lease.arm(-1)
    assert lease.arm(0)
    assert verdict(lease, 1, Claim.IF_FREE, is_led=False) is None


def test_a_hold_before_any_plan_was_followed_asks_for_no_second_word():
    lease = Lease(operator_arms=True)
    lease.arm(0)
    lease.held(100)
    assert not lease.awaits_operator


def test_after_a_hold_the_operator_s_word_must_be_a_new_one():
    lease = held(operator_arms=True)
    lease.held(100)
    assert verdict(lease, 5, Claim.NONE, is_led=False) is Reject.AWAITS_OPERATOR
    assert not lease.arm(99)
    assert not lease.arm(100)
    assert lease.arm(101)
    assert verdict(lease, 5, Claim.NONE, is_led=False) is None


def test_a_word_that_was_not_waited_for_has_no_effect_later():
    lease = held(operator_arms=True)
    assert not lease.arm(50)
    lease.held(100)
    assert lease.awaits_operator


def test_a_stop_disarms_and_so_does_its_end():
    lease = held(operator_arms=True)
    lease.stopped(100)
    assert lease.arm(101)
    lease.released(200)
    assert lease.awaits_operator


def test_a_takeover_asks_for_the_operator_s_word():
    lease = held(operator_arms=True)
    assert verdict(lease, 6, Claim.TAKE_OVER, is_led=True) is None
    lease.take(6, is_led=True, observed_ns=100)
    assert verdict(lease, 6, Claim.NONE, is_led=False) is Reject.AWAITS_OPERATOR
    assert not lease.arm(100)
    assert lease.arm(101)
    assert verdict(lease, 6, Claim.NONE, is_led=False) is None


def test_a_word_that_nobody_made_use_of_for_half_a_minute_is_forgotten():
    lease = Lease(operator_arms=True)
    lease.arm(0)
    lease.held(30_000_000_000)
    assert not lease.awaits_operator
    lease.held(30_000_000_001)
    assert lease.awaits_operator
    lease.held(60_000_000_000)
    assert lease.arm(30_000_000_002)


def test_where_controllers_arm_a_hold_asks_for_nobody_s_word():
    lease = held()
    lease.held(100)
    assert verdict(lease, 5, Claim.NONE, is_led=False) is None
