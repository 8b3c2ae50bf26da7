"""Which controller may command the plant: one at a time, by its own word, and where an operator arms, by the operator's too."""

from __future__ import annotations

from typing import Final, final

from mpc_controller.bus.messages import LARGEST_EPOCH, Claim, Plan
from mpc_controller.control.reject import Reject

_UNUSED_NS: Final = 30_000_000_000  # after which an operator's word is forgotten, if nobody led by then


@final
class Lease:
    """One epoch holds it. Another takes it by a plan that claims the plant and is good in all else: while no plan is followed,
    or from the one that leads where the plan says TAKE_OVER. Epochs only rise. An emergency stop takes the next epoch, so that
    whoever led has to begin a new one, even if it never heard of the stop.

    With `operator_arms` nobody may command until an operator has armed the robot, and again after each time that it held, was
    stopped or was taken over, or that nobody led for 30 s. The operator's word must answer an observation that was made since,
    so it is never one of before.
    """

    def __init__(self, operator_arms: bool = False) -> None:
        self.epoch = 0  # 0: nobody ever had it
        self._operator_arms = operator_arms
        self.awaits_operator = operator_arms
        self._since_ns = -1  # observation after which the operator's word must have been given
        self._armed_ns = 0
        self._is_stop_s, self._was_used = False, False

    def refusal(self, plan: Plan, is_led: bool) -> Reject | None:
        """Why a plan's controller may not command; None when it may, or may take the lease."""
        if self.awaits_operator:
            return Reject.AWAITS_OPERATOR
        is_other = plan.epoch != self.epoch
        if is_led and is_other and plan.claim is not Claim.TAKE_OVER:
            return Reject.OTHER_IN_CHARGE
        if not max(self.epoch + self._is_stop_s, 1) <= plan.epoch < LARGEST_EPOCH:  # after it nobody could lead
            return Reject.WRONG_EPOCH
        return Reject.UNCLAIMED if is_other and plan.claim is Claim.NONE else None

    def take(self, epoch: int, is_led: bool, observed_ns: int) -> None:
        """By a plan that was not refused; `observed_ns` is the newest observation's time."""
        if is_led and epoch != self.epoch:
            self._await_operator(observed_ns)
        self.epoch, self._is_stop_s = epoch, False

    def followed(self) -> None:
        """A plan makes the commands."""
        self._was_used = True

    def held(self, observed_ns: int) -> None:
        """No plan does, and none is about to."""
        is_forgotten = self._was_used or observed_ns - self._armed_ns > _UNUSED_NS
        if is_forgotten and not self.awaits_operator:
            self._await_operator(observed_ns)

    def stopped(self, observed_ns: int) -> None:
        """The robot was stopped."""
        self.epoch, self._is_stop_s = min(self.epoch + 1, LARGEST_EPOCH), True
        self._await_operator(observed_ns)

    def released(self, observed_ns: int) -> None:
        """A stop is over."""
        self._await_operator(observed_ns)

    def arm(self, observed_ns: int) -> bool:
        """An operator's word in answer to the observation of that time (−1: not known); whether it was waited for."""
        if not self.awaits_operator or observed_ns <= self._since_ns:
            return False
        self.awaits_operator, self._armed_ns = False, observed_ns
        return True

    def _await_operator(self, observed_ns: int) -> None:
        self._was_used = False
        self.awaits_operator, self._since_ns = self._operator_arms, observed_ns
