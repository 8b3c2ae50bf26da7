"""Which plans the plant believes: those of one lease holder, in order, fresh, sound and made for this robot."""

from __future__ import annotations

import enum
from collections import Counter, deque
from typing import final

import numpy as np

from mpc_controller.bus.messages import Plan
from mpc_controller.robot import Robot
from mpc_controller.solvers.solution import Status

_USABLE = (Status.CONVERGED, Status.ITERATION_LIMIT)
# Observations whose times are remembered, to know how old an answer is: far more than any plan may be late.
_REMEMBERED = 4096


@final
class Reject(enum.StrEnum):
    """Why a plan was not taken."""

    WRONG_ROBOT = "wrong robot"
    WRONG_MODEL = "wrong model"
    WRONG_EPOCH = "wrong epoch"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out of order"
    FAILED = "failed solve"
    WRONG_SIZE = "wrong size"
    NON_FINITE = "not finite"
    STALE = "stale"


@final
class PlanAcceptance:
    """Judges plans as they arrive and counts what it refuses, by reason.

    The lease belongs to the newest epoch that sent a plan worth accepting; older epochs are refused from then on. Within an
    epoch sequences must rise. A plan is stale when its validity has ended, when it answers an observation that this plant did
    not make, or one made `oldest_ns` ago or earlier.
    """

    def __init__(self, robot: Robot, oldest_ns: int) -> None:
        self._robot = robot
        self._oldest_ns = oldest_ns
        self._epoch = -1
        self._sequence = -1
        self._observed: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self.rejected: Counter[Reject] = Counter()

    def observed(self, sequence: int, time_ns: int) -> None:
        """An observation went out; sequences rise by one."""
        self._observed.append((sequence, time_ns))

    def judge(self, plan: Plan, now_ns: int) -> tuple[Reject | None, int]:
        """Why the plan is refused (None: accepted), and the time of the observation that it answers."""
        observed_ns = self._answered_time(plan.answers_sequence)
        reason = self._reason(plan, now_ns, observed_ns)
        if reason is None or (reason is Reject.FAILED and plan.epoch == self._epoch):
            self._epoch, self._sequence = plan.epoch, plan.sequence
        if reason is not None:
            self.rejected[reason] += 1
        return reason, -1 if observed_ns is None else observed_ns

    def _reason(self, plan: Plan, now_ns: int, observed_ns: int | None) -> Reject | None:
        if plan.robot != self._robot.name:
            return Reject.WRONG_ROBOT
        if plan.model_hash != self._robot.model_hash:
            return Reject.WRONG_MODEL
        if plan.epoch < self._epoch:
            return Reject.WRONG_EPOCH
        if plan.epoch == self._epoch and plan.sequence <= self._sequence:
            return Reject.DUPLICATE if plan.sequence == self._sequence else Reject.OUT_OF_ORDER
        if plan.status not in _USABLE:
            return Reject.FAILED
        if not self._right_size(plan):
            return Reject.WRONG_SIZE
        if not all(np.isfinite(a).all() for a in (plan.states, plan.controls, plan.gains)):
            return Reject.NON_FINITE
        if observed_ns is None or now_ns - observed_ns >= self._oldest_ns or plan.valid_until_ns <= now_ns:
            return Reject.STALE
        return None

    def _right_size(self, plan: Plan) -> bool:
        """Shapes fit each other and the robot, and times rise."""
        d = self._robot.dynamics
        n = len(plan.times) - 1
        return (
            n >= 1
            and plan.states.shape == (n + 1, d.nx)
            and plan.controls.shape == (n, d.nu)
            and plan.gains.shape == (n, d.nu, d.manifold.ndx)
            and bool((plan.times[1:] > plan.times[:-1]).all())
        )

    def _answered_time(self, sequence: int) -> int | None:
        if not self._observed:
            return None
        position = sequence - self._observed[0][0]
        return self._observed[position][1] if 0 <= position < len(self._observed) else None
