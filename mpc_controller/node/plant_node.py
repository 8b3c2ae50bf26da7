"""The process beside the actuators: follows the newest good plan at the robot's own rate, and never waits for one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Arm, EStop, Event, EventKind, Message, Mode, Observation, Plan, Truth
from mpc_controller.control.hold import Hold
from mpc_controller.control.ladder import AcceptedPlan, Ladder, ModeChange
from mpc_controller.control.measurement import MeasurementCheck, as_vector
from mpc_controller.control.pace import Pace
from mpc_controller.control.plan_soundness import detail_of
from mpc_controller.control.reject import Reject
from mpc_controller.control.safety_gate import CommandLimits, gate
from mpc_controller.control.tracker import Tracker
from mpc_controller.node.clock import Clock, RisingTime
from mpc_controller.node.error import NodeError
from mpc_controller.node.event_log import EventLog
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_statistics import PlantStatistics, PlantSummary
from mpc_controller.node.realtime import collect_young, real_time
from mpc_controller.robot import Robot

_ASK_AGAIN_S = 0.2
_COLLECT_EVERY = 512  # ticks
_HEALTH_NS = 1_000_000_000
# After a change of mode the command slides to its new source; longer than from limit to limit on any robot (20 ms at most).
_SLIDE_NS = 200_000_000


@final
@dataclass(frozen=True)
class PlantOptions:
    """duration_s: end after it (None: when told to). control_rate_hz: of the controller (None: the robot's). lock_step: after
    an observation that the controller will answer, wait for the plan, for `answer_timeout_s` at most. realtime_priority:
    SCHED_FIFO (0: off). operator_arms: no plan is followed before an operator armed the robot, nor after a hold or a stop."""

    duration_s: float | None = None
    control_rate_hz: float | None = None
    lock_step: bool = False
    answer_timeout_s: float = 30.0
    realtime_priority: int = 0
    operator_arms: bool = False


def run_plant(
    plant: Plant, robot: Robot, link: Link, clock: Clock, options: PlantOptions, stop: Callable[[], bool]
) -> PlantSummary:
    """Run until `stop()`, or for the duration. Raises NodeError when the plant breaks down; closes the plant in any case."""
    node = _PlantNode(robot, link, clock, options, stop, plant.noisy)
    with closing(plant), real_time(options.realtime_priority) as problem, closing(node):
        if problem:
            node.events.tell(EventKind.INFO, 0, problem)
        while not stop():
            now_ns = node.time_of(clock.tick())
            if node.is_over(now_ns):
                break
            reading, truth = plant.read()
            node.publish(now_ns, reading, truth)
            node.take_in(now_ns)
            command = node.command(now_ns)
            if _keeps_still(plant, node.mode):
                node.rest()
            else:
                plant.apply(command)
            if node.is_health_due(now_ns):
                node.tell_health(plant.health())
            if plant.failure:
                raise NodeError(plant.failure)
    return node.summary()


def _keeps_still(plant: Plant, mode: Mode) -> bool:
    """Whether the robot holds or stops by its own means, as the mode asks."""
    return (mode is Mode.HOLD and plant.hold()) or (mode is Mode.E_STOP and plant.stop())


@final
class _PlantNode:
    """One tick after the other: publish, take plans in, decide the mode, make a command and gate it."""

    def __init__(
        self, robot: Robot, link: Link, clock: Clock, options: PlantOptions, stop: Callable[[], bool], noisy: Collection[str]
    ) -> None:
        self._robot, self._link, self._clock, self._options, self._stop = robot, link, clock, options, stop
        period_ns = round(1e9 / (options.control_rate_hz or robot.control_rate_hz))
        tick_ns = round(1e9 / robot.plant_rate_hz)
        self._period_ns, self._tick_s = period_ns, tick_ns * 1e-9
        self._identity = (robot.name, robot.model_hash)  # a hash takes milliseconds the first time
        self._ladder = Ladder(robot, period_ns, options.operator_arms)
        self._tracker, self._hold = Tracker(robot), Hold(robot)
        self._pace = Pace(period_ns, tick_ns)
        self._check = MeasurementCheck(robot, noisy)
        self._time = RisingTime(tick_ns)
        self._limits = CommandLimits(robot.control_lower, robot.control_upper, robot.control_slew * tick_ns * 1e-9)
        self._measured: Array | None = None  # the last sound ones
        self._command = np.array(robot.neutral, dtype=float)
        self._followed: AcceptedPlan | None = None  # the plan behind the command
        self._sequence = 0
        self._awaited = False  # an operator, at the tick before
        self._start_ns, self._now_ns, self._slide_until_ns = -1, 0, 0
        self._started_wall_ns = 0
        self._health_ns = -_HEALTH_NS
        self._statistics = PlantStatistics(self._ladder.acceptance, link.counts)
        self.events = EventLog("plant")

    def time_of(self, clock_ns: int) -> int:
        """The plant's time, which rises, whatever its clock does."""
        now_ns, back_ns = self._time.of(clock_ns)
        if back_ns:
            text = f"the clock went back by {back_ns / 1e6:g} ms; the plant's time goes on"
            self.events.tell(EventKind.SAFETY, now_ns, text, "clock")
        return now_ns

    def is_over(self, now_ns: int) -> bool:
        """Whether the run's duration has passed."""
        if self._start_ns < 0:
            self._start_ns = now_ns
        duration_s = self._options.duration_s
        return duration_s is not None and now_ns - self._start_ns >= round((duration_s - self._tick_s / 2) * 1e9)

    def publish(self, now_ns: int, reading: Array, truth: Array | None) -> None:
        """Send what was measured, sound or not: a receiver refuses what is not."""
        self._started_wall_ns = time.monotonic_ns()
        self._now_ns = now_ns
        self._sequence += 1
        measured, plan = as_vector(reading), self._followed
        plan_age_ns = 0 if plan is None else now_ns - plan.observed_ns
        self._observation = Observation(
            *self._identity,
            self._sequence,
            now_ns,
            measured,
            self._command,
            self._ladder.mode,
            self._ladder.lease.epoch,
            0 if plan is None else plan.sequence,
            plan_age_ns,
            self._ladder.latency_ns,
            self._options.lock_step,
            self._period_ns,
            self._ladder.lease.awaits_operator,
        )
        self._ladder.acceptance.observed(self._sequence, now_ns)
        self._link.send(self._observation)
        if truth is not None:
            self._link.send(Truth(self._sequence, now_ns, truth))
        if plan is not None:
            self._statistics.plan_age_ms.add(plan_age_ns * 1e-6)
        self._take_measurement(measured, reading, now_ns)

    def take_in(self, now_ns: int) -> None:
        """Plans and stops that have come; in lock-step, wait for the plan that answers this observation when one is due."""
        self._accept(self._link.receive(0.0), now_ns)
        if self._options.lock_step and self._is_sound and self._pace.is_due(now_ns):
            self._pace.planned(now_ns)
            self._await_answer(now_ns)

    def command(self, now_ns: int) -> Array:
        """The command of this tick: of the mode, through the gate."""
        was_braked = bool(self._ladder.motion_faults)
        change = self._ladder.step(now_ns)
        if self._ladder.motion_faults and not was_braked:
            self._tell_braked(self._ladder.motion_faults, now_ns)
        if change is not None:
            self._enter(change)
        if self._ladder.lease.awaits_operator and not self._awaited:
            self.events.tell(EventKind.SAFETY, now_ns, "an operator has to arm the robot", "arming")
        self._awaited = self._ladder.lease.awaits_operator
        asked = self._asked(now_ns)
        command, reasons = gate(asked, self._command, self._limits)
        if reasons:
            self._count_gated(reasons, asked, command, now_ns)
        self._command = command
        self._finish_tick()
        return command

    def rest(self) -> None:
        """The robot keeps still by its own means: the next command starts from where it is, not from what was not applied."""
        here = self._hold.here(self._measured)
        self._command = gate(here, here, self._limits)[0]

    @property
    def mode(self) -> Mode:
        """Of this tick."""
        return self._ladder.mode

    def is_health_due(self, now_ns: int) -> bool:
        """Once a second."""
        return now_ns - self._health_ns >= _HEALTH_NS

    def tell_health(self, health: Mapping[str, float]) -> None:
        """What the robot reports of itself, as an event where there is any."""
        self._health_ns = self._now_ns
        if health:
            details = {name: repr(float(value)) for name, value in health.items()}
            self._link.send(Event(EventKind.INFO, self._now_ns, "plant", "health of the robot", details=details))

    def close(self) -> None:
        """Say the last words."""
        self._tell(is_last=True)

    def summary(self) -> PlantSummary:
        """The whole run."""
        return self._statistics.summary(self._robot.name, self._start_ns, self._tick_s, self._clock.overruns)

    def _take_measurement(self, measured: Array, reading: object, now_ns: int) -> None:
        fault = self._check.fault_of(measured, now_ns)
        self._is_sound = not fault
        if self._is_sound:
            self._measured = measured
            self._ladder.measured(now_ns, measured)
            return
        self._statistics.invalid += 1
        self.events.tell(EventKind.REJECTED, now_ns, f"the driver gave {reading}; {fault}", "invalid measurement")

    def _accept(self, messages: Sequence[Message], now_ns: int) -> None:
        for message in messages:
            if isinstance(message, Plan):
                reason = self._ladder.offer(message, now_ns)
                # That the robot is stopped, or awaits an operator, was told when it began.
                if reason is not None and reason is not Reject.AWAITS_OPERATOR and not self._ladder.is_stopped:
                    detail = detail_of(reason, message, self._robot)
                    why = f"{reason.value} ({detail})" if detail else reason.value
                    text = f"plan {message.sequence} of epoch {message.epoch} refused: {why}"
                    self.events.tell(EventKind.REJECTED, now_ns, text, reason.value)
            elif isinstance(message, EStop):
                self._ladder.e_stop(message)
            elif isinstance(message, Arm) and self._ladder.arm(message):
                self.events.tell(EventKind.INFO, now_ns, "armed by an operator")

    def _await_answer(self, now_ns: int) -> None:
        """Take messages in until the answer comes, asking again now and then: the first words to a new peer may be lost."""
        start_s = asked_s = time.monotonic()
        while not self._stop():
            messages = self._link.receive(_ASK_AGAIN_S)
            self._accept(messages, now_ns)
            if self._ladder.is_stopped or any(isinstance(m, Plan) and m.answers_sequence == self._sequence for m in messages):
                return
            now_s = time.monotonic()
            if now_s - start_s > self._options.answer_timeout_s:
                waited = f"within {self._options.answer_timeout_s:g} s (lock-step)"
                raise NodeError(f"no controller answered observation {self._sequence} of '{self._robot.name}' {waited}")
            if now_s - asked_s >= _ASK_AGAIN_S:
                asked_s = now_s
                self._link.send(self._observation)

    def _enter(self, change: ModeChange) -> None:
        self._statistics.changed(change)
        self._slide_until_ns = change.time_ns + _SLIDE_NS
        plan = self._ladder.plan
        faults = self._ladder.motion_faults
        self._hold.begin(None if plan is None else plan.trajectory.at(change.time_ns)[0], self._measured if faults else None)
        details = {"from": change.before.name, "to": change.after.name, "reason": change.reason}
        text = f"{change.before.name} -> {change.after.name}: {change.reason}"
        self.events.tell(EventKind.MODE_CHANGE, change.time_ns, text, details=details)

    def _asked(self, now_ns: int) -> Array:
        """What the mode asks for."""
        mode, plan = self._ladder.mode, self._ladder.plan
        self._followed = None
        if mode is Mode.E_STOP:
            return np.asarray(np.clip(0.0, self._limits.lower, self._limits.upper))
        if mode is Mode.HOLD or plan is None or self._measured is None:
            return self._hold.command(self._measured)
        self._followed = plan
        return self._tracker.command(plan.trajectory, plan.gains, now_ns, self._measured)

    def _count_gated(self, reasons: tuple[str, ...], asked: Array, command: Array, now_ns: int) -> None:
        """A slide from one source of commands to another is normal operation; all else that the gate changes is not.

        A hold law that catches the robot may ask for any jump; a new controller comes only out of HOLD.
        """
        if reasons == ("slew",) and (self._ladder.mode is Mode.HOLD or now_ns < self._slide_until_ns):
            self._statistics.limited_ticks += 1
            return
        self._statistics.interventions += 1
        text = f"command changed by the safety gate: {', '.join(reasons)}"
        self.events.tell(EventKind.SAFETY, now_ns, text, "safety", {"asked": str(asked), "sent": str(command)})

    def _tell_braked(self, faults: tuple[str, ...], now_ns: int) -> None:
        self._statistics.interventions += 1
        text = f"the safety gate calls for the brake: {'; '.join(faults)}"
        self.events.tell(EventKind.SAFETY, now_ns, text, "brake", {str(i): fault for i, fault in enumerate(faults)})

    def _finish_tick(self) -> None:
        self._statistics.ticks += 1
        self._statistics.mode_ticks[self._ladder.mode] += 1
        self._statistics.wake_late_us.add(self._clock.late_ns * 1e-3)
        self._tell(is_last=False)
        self._statistics.tick_time_us.add((time.monotonic_ns() - self._started_wall_ns) * 1e-3)
        if self._sequence % _COLLECT_EVERY == 0:
            collect_young()

    def _tell(self, is_last: bool) -> None:
        for event in self.events.drain():
            self._link.send(event)
        totals = self._statistics.totals(self._now_ns, self._clock.overruns, is_last)
        if totals is not None:
            self._link.send(totals)
