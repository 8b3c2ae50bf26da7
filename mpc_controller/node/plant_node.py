"""The process beside the actuators: follows the newest good plan at the robot's own rate, and never waits for one."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import EStop, EventKind, Message, Mode, Observation, Plan, Truth
from mpc_controller.control.ladder import Ladder, ModeChange
from mpc_controller.control.pace import Pace
from mpc_controller.control.safety_gate import CommandLimits, gate
from mpc_controller.control.tracker import Tracker, limited
from mpc_controller.node.clock import Clock
from mpc_controller.node.error import NodeError
from mpc_controller.node.event_log import EventLog
from mpc_controller.node.realtime import collect_young, real_time
from mpc_controller.node.statistics import Distribution, Percentiles
from mpc_controller.robot import Robot

_REMEMBERED_CHANGES = 1000
_ASK_AGAIN_S = 0.2
_COLLECT_EVERY = 512  # ticks


class Plant(Protocol):
    """A simulator or a real robot's driver. `failure` says in one line why it broke down ('' while it is sound)."""

    failure: str

    def read(self) -> tuple[Array, Array | None]:
        """The measured states, in the order of Robot.measured, and a simulator's true state (nx,)."""

    def apply(self, u: Array) -> None:
        """Hold the command u (nu,) from now on; a simulator advances by one period."""

    def close(self) -> None:
        """Leave the robot safe and free what was opened."""


@final
@dataclass(frozen=True)
class PlantOptions:
    """duration_s: end after it (None: when told to). control_rate_hz: of the controller (None: the robot's). lock_step: after
    an observation that the controller will answer, wait for the plan, for `answer_timeout_s` at most. realtime_priority:
    SCHED_FIFO (0: off)."""

    duration_s: float | None = None
    control_rate_hz: float | None = None
    lock_step: bool = False
    answer_timeout_s: float = 30.0
    realtime_priority: int = 0


@final
@dataclass(frozen=True)
class PlantSummary:
    """What happened, for the table at the end. Times in mode_changes count from the start; `tick_time_us` is from the
    observation to the command, without the plant's own reading and applying; `limited_ticks` met the range or slew limit."""

    robot: str
    duration_s: float
    ticks: int
    overruns: int
    mode_changes: tuple[dict[str, float | str], ...]
    mode_s: dict[str, float]
    plan_age_ms: Percentiles
    tick_time_us: Percentiles
    rejected_plans: dict[str, int]
    limited_ticks: int
    safety_interventions: int
    invalid_measurements: int


def run_plant(
    plant: Plant, robot: Robot, link: Link, clock: Clock, options: PlantOptions, stop: Callable[[], bool]
) -> PlantSummary:
    """Run until `stop()`, or for the duration. Raises NodeError when the plant breaks down; closes the plant in any case."""
    node = _PlantNode(robot, link, options, stop)
    try:
        with real_time(options.realtime_priority) as problem:
            if problem:
                node.events.tell(EventKind.INFO, 0, problem)
            while not stop():
                now_ns = clock.tick()
                if node.is_over(now_ns):
                    break
                measured, truth = plant.read()
                node.publish(now_ns, measured, truth)
                node.take_in(now_ns)
                plant.apply(node.command(now_ns))
                if plant.failure:
                    raise NodeError(plant.failure)
    finally:
        plant.close()
    return node.summary(clock.overruns)


@final
class _PlantNode:
    """One tick after the other: publish, take plans in, decide the mode, make a command and gate it."""

    def __init__(self, robot: Robot, link: Link, options: PlantOptions, stop: Callable[[], bool]) -> None:
        self._robot, self._link, self._options, self._stop = robot, link, options, stop
        rate_hz = options.control_rate_hz or robot.control_rate_hz
        period_ns, tick_ns = round(1e9 / rate_hz), round(1e9 / robot.plant_rate_hz)
        self._ladder = Ladder(robot, period_ns)
        self._tracker = Tracker(robot)
        self._pace = Pace(period_ns, tick_ns)
        self._limits = CommandLimits(robot.control_lower, robot.control_upper, robot.control_slew * tick_ns * 1e-9)
        self._model_hash = robot.model_hash
        self._measured: Array | None = None  # the last sound ones
        self._command = np.array(robot.neutral, dtype=float)
        self._made_by = (0, 0, 0)  # epoch, sequence and age [ns] of the plan behind the command
        self._hold_state: Array | None = None  # what the last plan wanted when the hold began
        self._sequence = -1
        self._start_ns = -1
        self._tick_s = tick_ns * 1e-9
        self._started_wall_ns = 0
        self._interventions = self._limited_ticks = 0
        self._invalid = 0
        self._mode_ticks: Counter[Mode] = Counter()
        self._changes: deque[ModeChange] = deque(maxlen=_REMEMBERED_CHANGES)
        self._plan_age_ms, self._tick_time_us = Distribution(), Distribution()
        self.events = EventLog("plant")

    def is_over(self, now_ns: int) -> bool:
        """Whether the run's duration has passed."""
        if self._start_ns < 0:
            self._start_ns = now_ns
        duration_s = self._options.duration_s
        return duration_s is not None and now_ns - self._start_ns >= round((duration_s - self._tick_s / 2) * 1e9)

    def publish(self, now_ns: int, measured: Array, truth: Array | None) -> None:
        """Send what was measured, sound or not: a receiver refuses what is not."""
        self._started_wall_ns = time.monotonic_ns()
        self._sequence += 1
        self._observation = Observation(
            self._robot.name,
            self._model_hash,
            self._sequence,
            now_ns,
            measured,
            self._command,
            self._ladder.mode,
            *self._made_by,
            self._ladder.latency_ns,
            self._options.lock_step,
        )
        self._ladder.acceptance.observed(self._sequence, now_ns)
        self._link.send(self._observation)
        if truth is not None:
            self._link.send(Truth(self._sequence, now_ns, truth))
        self._is_sound = measured.shape == (len(self._robot.measured),) and bool(np.isfinite(measured).all())
        if self._is_sound:
            self._measured = measured
        else:
            self._invalid += 1
            text = f"the driver gave {measured}; {len(self._robot.measured)} finite numbers are needed"
            self.events.tell(EventKind.REJECTED, now_ns, text, "invalid measurement")

    def take_in(self, now_ns: int) -> None:
        """Plans and stops that have come; in lock-step, wait for the plan that answers this observation when one is due."""
        self._accept(self._link.receive(0.0), now_ns)
        if self._options.lock_step and self._is_sound and self._pace.is_due(now_ns):
            self._pace.planned(now_ns)
            self._await_answer(now_ns)

    def command(self, now_ns: int) -> Array:
        """The command of this tick: of the mode, within slew, then through the gate."""
        change = self._ladder.step(now_ns)
        if change is not None:
            self._enter(change)
        wanted = self._wanted(now_ns)
        asked = limited(wanted, self._command, self._limits)
        self._limited_ticks += asked is not wanted and bool((asked != wanted).any())
        command, reasons = gate(asked, self._command, self._limits)
        if reasons:
            self._interventions += 1
            text = f"command changed by the safety gate: {', '.join(reasons)}"
            self.events.tell(EventKind.SAFETY, now_ns, text, "safety", {"asked": str(asked), "sent": str(command)})
        self._command = command
        self._finish_tick()
        return command

    def summary(self, overruns: int) -> PlantSummary:
        """The whole run."""
        ticks = self._sequence + 1
        return PlantSummary(
            robot=self._robot.name,
            duration_s=ticks * self._tick_s if ticks else 0.0,
            ticks=ticks,
            overruns=overruns,
            mode_changes=tuple(
                {
                    "time_s": (c.time_ns - self._start_ns) * 1e-9,
                    "from": c.before.name,
                    "to": c.after.name,
                    "reason": c.reason,
                }
                for c in self._changes
            ),
            mode_s={mode.name: n * self._tick_s for mode, n in sorted(self._mode_ticks.items())},
            plan_age_ms=self._plan_age_ms.percentiles(),
            tick_time_us=self._tick_time_us.percentiles(),
            rejected_plans={reason.value: n for reason, n in sorted(self._ladder.acceptance.rejected.items())},
            limited_ticks=self._limited_ticks,
            safety_interventions=self._interventions,
            invalid_measurements=self._invalid,
        )

    def _accept(self, messages: Sequence[Message], now_ns: int) -> None:
        for message in messages:
            if isinstance(message, Plan):
                reason = self._ladder.offer(message, now_ns)
                if reason is not None:
                    text = f"plan {message.sequence} of epoch {message.epoch} refused: {reason.value}"
                    self.events.tell(EventKind.REJECTED, now_ns, text, reason.value)
            elif isinstance(message, EStop):
                self._ladder.e_stop(message)

    def _await_answer(self, now_ns: int) -> None:
        """Take messages in until the answer comes, asking again now and then: the first words to a new peer may be lost."""
        start_s = asked_s = time.monotonic()
        while not self._stop():
            messages = self._link.receive(_ASK_AGAIN_S)
            self._accept(messages, now_ns)
            if any(isinstance(m, Plan) and m.answers_sequence == self._sequence for m in messages):
                return
            now_s = time.monotonic()
            if now_s - start_s > self._options.answer_timeout_s:
                waited = f"within {self._options.answer_timeout_s:g} s (lock-step)"
                raise NodeError(f"no controller answered observation {self._sequence} of '{self._robot.name}' {waited}")
            if now_s - asked_s >= _ASK_AGAIN_S:
                asked_s = now_s
                self._link.send(self._observation)

    def _enter(self, change: ModeChange) -> None:
        self._changes.append(change)
        plan = self._ladder.plan
        self._hold_state = None if plan is None else plan.trajectory.at(change.time_ns)[0]
        details = {"from": change.before.name, "to": change.after.name, "reason": change.reason}
        text = f"{change.before.name} -> {change.after.name}: {change.reason}"
        self.events.tell(EventKind.MODE_CHANGE, change.time_ns, text, details=details)

    def _wanted(self, now_ns: int) -> Array:
        """What the mode asks for, before any limit but the range."""
        mode, plan = self._ladder.mode, self._ladder.plan
        self._made_by = (0, 0, 0)
        if mode is Mode.E_STOP:
            return np.asarray(np.clip(0.0, self._limits.lower, self._limits.upper))
        if mode is Mode.HOLD or plan is None or self._measured is None:
            return self._hold()
        self._made_by = (plan.epoch, plan.sequence, now_ns - plan.observed_ns)
        self._plan_age_ms.add(self._made_by[2] * 1e-6)
        return self._tracker.command(plan.trajectory, plan.gains, now_ns, self._measured)

    def _hold(self) -> Array:
        if self._hold_state is None or self._measured is None:
            return self._robot.neutral
        state = self._hold_state.copy()
        state[self._robot.measured_indices] = self._measured
        return np.asarray(self._robot.hold(state, self._hold_state))

    def _finish_tick(self) -> None:
        self._mode_ticks[self._ladder.mode] += 1
        for event in self.events.drain():
            self._link.send(event)
        self._tick_time_us.add((time.monotonic_ns() - self._started_wall_ns) * 1e-3)
        if self._sequence % _COLLECT_EVERY == 0:
            collect_young()
