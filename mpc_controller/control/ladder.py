"""NOMINAL → STALE_PLAN → HOLD → E_STOP: what the plant does, decided by the age of its data alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import final

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import EStop, Mode, Plan
from mpc_controller.control.plan_acceptance import PlanAcceptance
from mpc_controller.control.reject import Reject
from mpc_controller.robot import Robot
from mpc_controller.solvers.trajectory import Trajectory

_SHORTEST_HOLD_NS = 20_000_000
# A fallback law that acts on a measurement of the past drives the robot: a car that brakes on its last known speed ends up
# reversing. In 0.1 s its brake takes 0.2 m/s off 2 m/s; by then an old measurement is still a fair one.
_BLIND_AFTER_NS = 100_000_000


@final
@dataclass(frozen=True)
class AcceptedPlan:
    """A plan that may be flown: made from the observation of `observed_ns`, taken in `latency_ns` later."""

    epoch: int
    sequence: int
    trajectory: Trajectory
    gains: Array
    start_ns: int
    valid_until_ns: int
    observed_ns: int
    latency_ns: int


@final
@dataclass(frozen=True)
class ModeChange:
    """A step on the ladder at `time_ns`, and why."""

    time_ns: int
    before: Mode
    after: Mode
    reason: str


@final
class Ladder:
    """The plant's state machine. Times are nanoseconds of the plant's clock; nothing else is a clock here.

    The age of a plan is now − the time of the observation that it answers. With T the controller's period:

        NOMINAL      the newest accepted plan is younger than 1.5 T + its measured latency
        STALE_PLAN   it is not, but the plan is still followed
        HOLD         the followed plan is max(3 T, 20 ms) old, or its validity ended, or there is none
        E_STOP       an operator said so, or the sensors gave nothing sound for 0.1 s; until an EStop with clear = True,
                     and then a plan that comes after it is needed

    An accepted plan is followed from its start time on; until then the one before it is.
    """

    def __init__(self, robot: Robot, plan_period_ns: int) -> None:
        self._manifold = robot.dynamics.manifold
        self._stale_after_ns = 3 * plan_period_ns // 2
        self._hold_after_ns = max(3 * plan_period_ns, _SHORTEST_HOLD_NS)
        self.acceptance = PlanAcceptance(robot, self._hold_after_ns)
        self.mode = Mode.HOLD
        self.plan: AcceptedPlan | None = None  # the one being followed
        self.latency_ns = -1  # of the last accepted plan
        self._waiting: deque[AcceptedPlan] = deque()  # for their starts, which rise
        self._stopped_by = ""  # nothing: not stopped
        self._stop_sequence = -1
        self._measured_ns: int | None = None

    def measured(self, now_ns: int) -> None:
        """The sensors gave something sound. Before the first time they are not missed: then no plan can come either."""
        self._measured_ns = now_ns

    def offer(self, plan: Plan, now_ns: int) -> Reject | None:
        """Take a plan in, or say why not."""
        reason, observed_ns = self.acceptance.judge(plan, now_ns, is_led=self.mode.follows_plans)
        if reason is not None:
            return reason
        self.latency_ns = now_ns - observed_ns
        # What would start later than a newer plan has nothing to say any more, nor has a controller that does not lead.
        while self._waiting and (self._waiting[-1].start_ns >= plan.start_ns or self._waiting[-1].epoch != plan.epoch):
            self._waiting.pop()
        self._waiting.append(
            AcceptedPlan(
                plan.epoch,
                plan.sequence,
                Trajectory(self._manifold, plan.times, plan.states, plan.controls),
                plan.gains,
                plan.start_ns,
                plan.valid_until_ns,
                observed_ns,
                self.latency_ns,
            )
        )
        return None

    def e_stop(self, message: EStop) -> None:
        """Latch, or unlatch by a newer message that says clear."""
        if message.clear and message.sequence <= self._stop_sequence:
            return
        self._stop_sequence = max(self._stop_sequence, message.sequence)
        self._latch("" if message.clear else "stopped by an operator")

    def step(self, now_ns: int) -> ModeChange | None:
        """The mode of this tick; the change, if it is one."""
        if self._measured_ns is not None and now_ns - self._measured_ns >= _BLIND_AFTER_NS and not self._stopped_by:
            self._latch(f"no sound measurement for {(now_ns - self._measured_ns) / 1e6:.0f} ms")
        while self._waiting and now_ns >= self._waiting[0].start_ns:
            self.plan = self._waiting.popleft()
        before = self.mode
        self.mode, reason = self._decide(now_ns)
        return ModeChange(now_ns, before, self.mode, reason) if self.mode != before else None

    def _latch(self, stopped_by: str) -> None:
        """Stop, or go on for ''. Plans from before are forgotten."""
        self._stopped_by = stopped_by
        self.plan = None
        self._waiting.clear()

    def _decide(self, now_ns: int) -> tuple[Mode, str]:
        if self._stopped_by:
            return Mode.E_STOP, self._stopped_by
        if self.plan is None:
            return Mode.HOLD, "no plan"
        age_ns = now_ns - self.plan.observed_ns
        if age_ns >= self._hold_after_ns:
            return Mode.HOLD, f"no plan for {age_ns / 1e6:.1f} ms"
        if now_ns >= self.plan.valid_until_ns:
            return Mode.HOLD, "the plan's validity ended"
        newest = self._waiting[-1] if self._waiting else self.plan
        age_ns = now_ns - newest.observed_ns
        if age_ns >= self._stale_after_ns + newest.latency_ns:
            return Mode.STALE_PLAN, f"no plan for {age_ns / 1e6:.1f} ms"
        return Mode.NOMINAL, "fresh plan"
