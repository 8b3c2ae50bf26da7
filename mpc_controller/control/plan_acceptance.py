"""Which plans the plant believes: those of one controller at a time, in order, fresh, and sound."""

from __future__ import annotations

from collections import Counter, deque
from typing import final

from mpc_controller.bus.messages import Plan
from mpc_controller.control.lease import Lease
from mpc_controller.control.plan_soundness import fault_of
from mpc_controller.control.reject import Reject
from mpc_controller.robot import Robot
from mpc_controller.solvers.solution import Status

_USABLE = frozenset(status for status in Status if status.is_usable)
# Observations whose times are remembered, to know how old an answer is: far more than any plan may be late.
_REMEMBERED = 4096


@final
class PlanAcceptance:
    """Judges plans as they arrive and counts what it refuses, by reason.

    Its controller must hold the lease, or be able to take it. Within an epoch sequences must rise.

    A plan must answer an observation of this plant that is younger than `oldest_ns`, start after it and at most `oldest_ns`
    from now, and still be valid.
    """

    def __init__(self, robot: Robot, oldest_ns: int, lease: Lease) -> None:
        self._robot, self.lease = robot, lease
        self._oldest_ns = oldest_ns
        self._sequence = -1
        self._observed: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self.accepted = 0
        self.rejected: Counter[Reject] = Counter()

    def observed(self, sequence: int, time_ns: int) -> None:
        """An observation went out; sequences rise by one."""
        self._observed.append((sequence, time_ns))

    @property
    def newest_ns(self) -> int:
        """Time of the newest observation; −1 before the first."""
        return self._observed[-1][1] if self._observed else -1

    def answered_time(self, sequence: int) -> int:
        """Of the observation with that sequence; −1 where it is not known."""
        if not self._observed:
            return -1
        position = sequence - self._observed[0][0]
        return self._observed[position][1] if 0 <= position < len(self._observed) else -1

    def judge(self, plan: Plan, now_ns: int, is_led: bool) -> tuple[Reject | None, int]:
        """Why the plan is refused (None: accepted), and the time of the observation that it answers (−1: not known)."""
        observed_ns = self.answered_time(plan.answers_sequence)
        reason = self._reason(plan, now_ns, observed_ns, is_led)
        if reason is None:
            self.lease.take(plan.epoch, is_led, self.newest_ns)
            self.accepted += 1
        else:
            self.rejected[reason] += 1
        counts = plan.epoch == self.lease.epoch and self._is_young(observed_ns, now_ns)
        if reason is None or (reason is Reject.FAILED and counts):
            self._sequence = plan.sequence
        return reason, observed_ns

    def _reason(self, plan: Plan, now_ns: int, observed_ns: int, is_led: bool) -> Reject | None:
        if plan.robot != self._robot.name:
            return Reject.WRONG_ROBOT
        if plan.model_hash != self._robot.model_hash:
            return Reject.WRONG_MODEL
        refusal = self.lease.refusal(plan, is_led)
        if refusal is not None:
            return refusal
        if plan.epoch == self.lease.epoch and plan.sequence <= self._sequence:
            return Reject.DUPLICATE if plan.sequence == self._sequence else Reject.OUT_OF_ORDER
        if plan.status not in _USABLE:
            return Reject.FAILED
        return fault_of(plan, self._robot) or self._untimely(plan, now_ns, observed_ns)

    def _is_young(self, observed_ns: int, now_ns: int) -> bool:
        """Whether an answer to the observation of that time (−1: not known) is still of use."""
        return observed_ns >= 0 and now_ns - observed_ns < self._oldest_ns

    def _untimely(self, plan: Plan, now_ns: int, observed_ns: int) -> Reject | None:
        if not self._is_young(observed_ns, now_ns):
            return Reject.STALE
        if plan.start_ns < observed_ns:
            return Reject.BEFORE_OBSERVATION
        if plan.start_ns > now_ns + self._oldest_ns:
            return Reject.TOO_FAR_AHEAD
        return Reject.ENDED if plan.valid_until_ns <= now_ns else None
