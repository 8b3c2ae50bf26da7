"""Which controller may command the plant: one at a time, by its own word, and where an operator arms, by the operator's too."""

from __future__ import annotations

from typing import final

from mpc_controller.bus.messages import Claim, Plan
from mpc_controller.control.reject import Reject


@final
class Lease:
    """One epoch holds it. Another takes it by a plan that claims the plant and is good in all else: while no plan is followed,
    or from the one that leads where the plan says TAKE_OVER. Epochs never go down.

    With `operator_arms` nobody may command until an operator has armed the robot, and again after each time that it held or
    was stopped. The operator's word must answer an observation that was made since, so it is never one of before.
    """

    def __init__(self, operator_arms: bool = False) -> None:
        self.epoch = 0  # 0: nobody ever had it
        self._least_epoch = 1
        self._operator_arms = operator_arms
        self.awaits_operator = operator_arms
        self._since_ns = -1  # observation after which the operator's word must have been given
        self._was_used = False

    def refusal(self, plan: Plan, is_led: bool) -> Reject | None:
        """Why a plan's controller may not command; None when it may, or may take the lease."""
        if self.awaits_operator:
            return Reject.AWAITS_OPERATOR
        is_other = plan.epoch != self.epoch
        if is_led and is_other and plan.claim is not Claim.TAKE_OVER:
            return Reject.OTHER_IN_CHARGE
        if plan.epoch < max(self.epoch, self._least_epoch):
            return Reject.WRONG_EPOCH
        return Reject.UNCLAIMED if is_other and plan.claim is Claim.NONE else None

    def take(self, epoch: int) -> None:
        """By a plan that was not refused."""
        self.epoch = epoch

    def followed(self) -> None:
        """A plan makes the commands."""
        self._was_used = True

    def held(self, observed_ns: int) -> None:
        """No plan does any more, and none is about to; `observed_ns` is the newest observation's time."""
        if self._was_used:
            self._await_operator(observed_ns)

    def stopped(self, observed_ns: int) -> None:
        """The robot was stopped, or released from that: from now on only a new epoch may lead."""
        self._least_epoch = self.epoch + 1
        self._await_operator(observed_ns)

    def arm(self, observed_ns: int) -> bool:
        """An operator's word in answer to the observation of that time (−1: not known); whether it was waited for."""
        if not self.awaits_operator or observed_ns <= self._since_ns:
            return False
        self.awaits_operator = False
        return True

    def _await_operator(self, observed_ns: int) -> None:
        self._was_used = False
        self.awaits_operator, self._since_ns = self._operator_arms, observed_ns
