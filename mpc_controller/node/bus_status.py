"""Who is on a robot's bus and how it goes, from what is heard there for a while."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import final

from mpc_controller.bus.messages import Event, Message, Mode, Observation, Plan
from mpc_controller.node.introduction import Introduction
from mpc_controller.node.observed import Hearing, Order
from mpc_controller.node.statistics import Distribution, Percentiles
from mpc_controller.solvers.solution import Status

_HEALTH = "health of the robot"
_PLANT = "plant"
_USABLE = tuple(int(status) for status in Status if status.is_usable)  # any number may come


@final
@dataclass(frozen=True)
class PlantStatus:
    """rate_hz: observations by the plant's own clock, of `declared_hz` (0: nobody said). lost: observations that did not come.
    age_s: since the last one came. counters: what the plant says that it counted since its start, by name. health: what the
    robot reports of itself. late_ms: how much later than their period observations came here, p50, p99 and largest.
    awaits_operator: nobody may lead the robot before one arms it."""

    robot: str
    mode: Mode
    rate_hz: float
    declared_hz: float
    lost: int
    age_s: float
    lock_step: bool
    late_ms: Percentiles
    counters: dict[str, int] = field(default_factory=dict)
    health: dict[str, float] = field(default_factory=dict)
    awaits_operator: bool = False


@final
@dataclass(frozen=True)
class ControllerStatus:
    """One epoch. in_charge: whether the plant follows it, or did last. rate_hz of `declared_hz` plans a second. solve_us and
    loop_us: of its plans. failed, missed: solves without a plan, and plans after their deadline, of `plans`."""

    epoch: int
    task: str
    solver: str
    in_charge: bool
    rate_hz: float
    declared_hz: float
    age_s: float
    plans: int
    failed: int
    missed: int
    solve_us: Percentiles
    loop_us: Percentiles
    plan_age_ms: Percentiles


@final
@dataclass(frozen=True)
class BusStatus:
    """plant: None when none spoke. speakers: how many messages of which source besides, by name."""

    plant: PlantStatus | None
    controllers: tuple[ControllerStatus, ...]
    speakers: dict[str, int]

    @property
    def concerns(self) -> tuple[str, ...]:
        """What is not as it should be, a sentence each; none when all is well."""
        if self.plant is None:
            return ("no plant speaks",)
        plant, said = self.plant, []
        if plant.mode is Mode.E_STOP:
            said.append("the robot is stopped: `mpc estop ROBOT --clear` releases it")
        elif plant.awaits_operator:
            said.append("an operator has to arm the robot: `mpc arm ROBOT`")
        elif plant.mode is not Mode.NOMINAL:
            said.append(f"no fresh plan is followed: the mode is {plant.mode.name}")
        if plant.declared_hz and not plant.lock_step and plant.rate_hz < 0.95 * plant.declared_hz:
            said.append(f"the plant observes at {plant.rate_hz:.1f} Hz, and should at {plant.declared_hz:g} Hz")
        leading = [c for c in self.controllers if c.in_charge]
        if len(self.controllers) > 1:
            said.append(f"{len(self.controllers)} controllers send plans; one of them is in charge at a time")
        for controller in leading:
            if controller.declared_hz and not plant.lock_step and controller.rate_hz < 0.9 * controller.declared_hz:
                said.append(f"plans come at {controller.rate_hz:.1f} Hz, and should at {controller.declared_hz:g} Hz")
            if controller.failed:
                said.append(f"{controller.failed} of {controller.plans} solves failed")
        return tuple(said)


@final
class BusListener:
    """Takes messages in as they come; `status` at any time. Times of arrival are time.monotonic_ns()."""

    def __init__(self) -> None:
        self._plant = _Stream()
        self._late_ms = Distribution()
        self._hearing = Hearing()
        self._lost_before = 0  # the plant's last start
        self._plant_age_ms = Distribution()
        self._plans: dict[int, _Plans] = {}
        self._introductions: dict[int, Introduction] = {}
        self._counters: dict[str, int] = {}
        self._health: dict[str, float] = {}
        self._speakers: Counter[str] = Counter()

    def accept(self, message: Message, now_ns: int) -> None:
        """One message that came at `now_ns`."""
        match message:
            case Observation():
                self._observe(message, now_ns)
            case Plan():
                self._plans.setdefault(message.epoch, _Plans()).add(message, now_ns)
            case Event():
                self._hear(message)
            case _:
                self._speakers[type(message).__name__] += 1

    def status(self, now_ns: int, declared_hz: float = 0.0) -> BusStatus:
        """declared_hz: of the plant, where the caller knows it."""
        told = next(iter(self._introductions.values()), None)
        declared_hz = told.plant_rate_hz if told else declared_hz
        last = self._hearing.newest
        if last is None:
            return BusStatus(None, (), dict(self._speakers))
        plant = PlantStatus(
            last.robot,
            last.mode,
            self._plant.rate_hz,
            declared_hz,
            self._hearing.lost - self._lost_before,
            (now_ns - self._plant.came_ns) * 1e-9,
            last.lock_step,
            self._late_ms.percentiles(),
            self._counters,
            self._health,
            last.awaits_operator,
        )
        period_hz = 1e9 / last.plan_period_ns if last.plan_period_ns else 0.0
        controllers = [
            plans.status(epoch, epoch == last.plan_epoch, period_hz, now_ns, self._plant_age_ms.percentiles())
            for epoch, plans in sorted(self._plans.items())
        ]
        return BusStatus(plant, tuple(controllers), dict(self._speakers))

    def _observe(self, observation: Observation, now_ns: int) -> None:
        last = self._hearing.newest
        order = self._hearing.take(observation)
        if order in (Order.REPEAT, Order.LATE):
            return
        if order is Order.RESTART:
            self._plant, self._lost_before = _Stream(), self._hearing.lost
        elif last is not None:
            wanted_ns = self._plant.came_ns + observation.time_ns - last.time_ns
            self._late_ms.add(max(0.0, (now_ns - wanted_ns) * 1e-6))
        self._plant.add(observation.time_ns, now_ns)
        if observation.plan_sequence:
            self._plant_age_ms.add(observation.plan_age_ns * 1e-6)

    def _hear(self, event: Event) -> None:
        """What calls itself a plant or a controller and cannot be read is one more that speaks."""
        introduction = Introduction.of(event)
        if introduction:
            self._introductions[int(event.details["epoch"])] = introduction
        if event.source != _PLANT or not self._hear_plant(event):
            self._speakers[event.source] += 1

    def _hear_plant(self, event: Event) -> bool:
        """Whether it could be read."""
        try:
            if event.text == _HEALTH:
                self._health = {name: float(value) for name, value in event.details.items()}
            elif "rejected_plans" in event.details:
                self._counters = {name: int(value) for name, value in event.details.items()}
        except ValueError:
            return False
        return True


@final
class _Stream:
    """How often something comes, by the plant's clock, and when the last one came."""

    def __init__(self) -> None:
        self._first_ns = self._last_ns = 0
        self._count = 0
        self.came_ns = 0

    def add(self, time_ns: int, now_ns: int) -> None:
        if self._count == 0:
            self._first_ns = time_ns
        self._last_ns, self.came_ns = time_ns, now_ns
        self._count += 1

    @property
    def rate_hz(self) -> float:
        """0 for fewer than two."""
        return (self._count - 1) * 1e9 / (self._last_ns - self._first_ns) if self._last_ns > self._first_ns else 0.0


@final
class _Plans:
    """Those of one epoch."""

    def __init__(self) -> None:
        self._stream = _Stream()
        self._last: Plan | None = None
        self._count = self._failed = self._missed = 0
        self._solve_us, self._loop_us = Distribution(), Distribution()

    def add(self, plan: Plan, now_ns: int) -> None:
        if self._last is not None and plan.sequence <= self._last.sequence:
            return
        self._stream.add(plan.start_ns, now_ns)
        self._last = plan
        self._count += 1
        self._failed += plan.status not in _USABLE
        self._missed += plan.deadline_missed
        self._solve_us.add(plan.solve_time_ns * 1e-3)
        self._loop_us.add(plan.loop_time_ns * 1e-3)

    def status(
        self, epoch: int, in_charge: bool, declared_hz: float, now_ns: int, plan_age_ms: Percentiles
    ) -> ControllerStatus:
        assert self._last is not None
        return ControllerStatus(
            epoch,
            self._last.task,
            self._last.solver,
            in_charge,
            self._stream.rate_hz,
            declared_hz,
            (now_ns - self._stream.came_ns) * 1e-9,
            self._count,
            self._failed,
            self._missed,
            self._solve_us.percentiles(),
            self._loop_us.percentiles(),
            plan_age_ms,
        )
