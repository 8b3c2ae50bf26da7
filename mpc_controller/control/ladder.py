"""NOMINAL → STALE_PLAN → HOLD → E_STOP: what the plant does, decided by the age of its data and by the safety gate."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import final

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Arm, EStop, Mode, Plan
from mpc_controller.control.joint_watch import JointWatch
from mpc_controller.control.lease import Lease
from mpc_controller.control.plan_acceptance import PlanAcceptance
from mpc_controller.control.reject import Reject
from mpc_controller.control.safety_gate import PlanFacts, message_fault, plan_fault
from mpc_controller.robot import Robot
from mpc_controller.solvers.trajectory import Trajectory

_SHORTEST_HOLD_NS = 20_000_000
# A fallback law that acts on a measurement of the past drives the robot: a car that brakes on its last known speed ends up
# reversing. In 0.1 s its brake takes 0.2 m/s off 2 m/s; by then an old measurement is still a fair one.
_BLIND_AFTER_NS = 100_000_000
# Of plans and operators' words together. To judge one plan takes 0.05 ms; who sends more has lost its reason.
_MOST_MESSAGES = 64


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
        HOLD         the safety gate does not let the plan be followed: it is max(3 T, 20 ms) old, or its validity ended, or it
                     is of another controller than the one that leads, or too many messages came at once; or it says that the
                     robot must brake; or there is no plan; or an operator has to arm the robot first
        E_STOP       an operator said so, or the sensors gave nothing sound for 0.1 s; until an EStop with clear = True,
                     and then a plan of a new epoch is needed

    An accepted plan is followed from its start time on; until then the one before it is.
    """

    def __init__(self, robot: Robot, plan_period_ns: int, operator_arms: bool = False) -> None:
        self._robot = robot
        self._manifold = robot.dynamics.manifold
        self._stale_after_ns = 3 * plan_period_ns // 2
        self._hold_after_ns = max(3 * plan_period_ns, _SHORTEST_HOLD_NS)
        self._joints = JointWatch(robot)
        self.lease = Lease(operator_arms)
        self.acceptance = PlanAcceptance(robot, self._hold_after_ns, self.lease)
        self.mode = Mode.HOLD
        self.plan: AcceptedPlan | None = None  # the one being followed
        self.latency_ns = -1  # of the last accepted plan
        self._waiting: deque[AcceptedPlan] = deque()  # for their starts, which rise
        self._stopped_by = ""  # nothing: not stopped
        self._stop_sequence = -1
        self._measured_ns: int | None = None
        self._measured: Array | None = None
        self._messages = 0  # since the last step
        self._is_led = False  # a plan may be followed, whether or not the robot has to brake
        self.motion_faults: tuple[str, ...] = ()  # why it has to

    def measured(self, now_ns: int, measured: Array | None = None) -> None:
        """The sensors gave something sound, in the order of Robot.measured (None: keep no joint limits). Before the first time
        they are not missed: then no plan can come either."""
        self._measured_ns, self._measured = now_ns, measured

    def offer(self, plan: Plan, now_ns: int) -> Reject | None:
        """Take a plan in, or say why not."""
        self._messages += 1
        reason, observed_ns = self.acceptance.judge(plan, now_ns, self._is_led)
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
        self._messages += 1
        if message.clear and message.sequence <= self._stop_sequence:
            return
        self._stop_sequence = max(self._stop_sequence, message.sequence)
        if message.clear and not self._stopped_by:
            return
        self._latch("" if message.clear else "stopped by an operator")

    def arm(self, message: Arm) -> bool:
        """An operator lets controllers lead; whether that was waited for."""
        self._messages += 1
        observed_ns = self.acceptance.answered_time(message.answers_sequence)
        is_ours = message.robot == self._robot.name and message.observed_ns == observed_ns
        return is_ours and self.lease.arm(observed_ns)

    @property
    def is_stopped(self) -> bool:
        """Whether a stop has come, or came and was not released."""
        return bool(self._stopped_by)

    def step(self, now_ns: int) -> ModeChange | None:
        """The mode of this tick; the change, if it is one."""
        if self._measured_ns is not None and now_ns - self._measured_ns >= _BLIND_AFTER_NS and not self._stopped_by:
            self._latch(f"no sound measurement for {(now_ns - self._measured_ns) / 1e6:.0f} ms")
        while self._waiting and now_ns >= self._waiting[0].start_ns:
            self.plan = self._waiting.popleft()
        before = self.mode
        self.motion_faults = self._motion_faults()
        self.mode, reason = self._decide(now_ns)
        if self.mode.follows_plans:
            self.lease.followed()
        elif not self._waiting:
            self.lease.held(self.acceptance.newest_ns)
        self._messages = 0
        return ModeChange(now_ns, before, self.mode, reason) if self.mode != before else None

    def _latch(self, stopped_by: str) -> None:
        """Stop, or go on for ''. Plans from before are forgotten, and whoever led has to begin anew."""
        if not stopped_by:
            self.lease.released(self.acceptance.newest_ns)
        elif not self._stopped_by:
            self.lease.stopped(self.acceptance.newest_ns)
        self._stopped_by = stopped_by
        self.plan = None
        self._waiting.clear()

    def _motion_faults(self) -> tuple[str, ...]:
        return () if self._measured is None else self._joints.faults(self._measured, bool(self.motion_faults))

    def _decide(self, now_ns: int) -> tuple[Mode, str]:
        self._is_led = False
        if self._stopped_by:
            return Mode.E_STOP, self._stopped_by
        if self.lease.awaits_operator:
            return Mode.HOLD, "an operator has to arm the robot"
        plan = self.plan
        if plan is None:
            return Mode.HOLD, "no plan"
        ages = (now_ns - plan.observed_ns, plan.valid_until_ns - now_ns)
        fault = plan_fault(PlanFacts(*ages, plan.epoch, self.lease.epoch), self._hold_after_ns)
        self._is_led = not fault
        fault = fault or "; ".join(self.motion_faults) or message_fault(self._messages, _MOST_MESSAGES)
        if fault:
            return Mode.HOLD, fault
        newest = self._waiting[-1] if self._waiting else plan
        age_ns = now_ns - newest.observed_ns
        if age_ns >= self._stale_after_ns + newest.latency_ns:
            return Mode.STALE_PLAN, f"no plan for {age_ns / 1e6:.1f} ms"
        return Mode.NOMINAL, "fresh plan"
