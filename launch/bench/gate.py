"""How long the safety gate takes in a tick of the plant, call by call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from launch.bench.pinned import pinned
from launch.bench.stopwatch import Stopwatch
from mpc_controller.control.safety_gate import (
    CommandLimits,
    PlanFacts,
    gate,
    message_fault,
    motion_faults,
    plan_fault,
)
from robots import load_robot

TARGET_US: Final = 20.0  # of all of it, for seven joints
_WARM_UP, _CALLS, _QUICK_CALLS = 2000, 50_000, 500
_OLDEST_NS = 30_000_000


@final
@dataclass(frozen=True)
class GateRow:
    """Times of one part [µs]. interrupted: calls during which something else had the core; their own time counts."""

    part: str
    median_us: float
    p99_us: float
    largest_us: float
    calls: int
    interrupted: int


def gate_rows(*, is_quick: bool) -> list[GateRow]:
    """The parts, and then all of them one after the other, for the arm and a command that the gate changes."""
    robot, random = load_robot("arm"), np.random.default_rng(0)
    limits = CommandLimits(robot.control_lower, robot.control_upper, robot.control_slew / robot.plant_rate_hz)
    joints, last = robot.joint_limits, np.zeros(7)
    command = random.uniform(2 * robot.control_lower, 2 * robot.control_upper)
    positions = [(joint.lower + joint.upper) / 2 for joint in joints]
    velocities = [joint.speed / 2 for joint in joints]

    def motion() -> None:
        motion_faults(joints, positions, velocities, is_braked=False)

    def plan() -> None:
        plan_fault(PlanFacts(age_ns=1, valid_ns=1, epoch=1, leading_epoch=1), _OLDEST_NS)
        message_fault(1, 64)

    def actuators() -> None:
        gate(command, last, limits)

    def all_of_it() -> None:
        motion()
        plan()
        actuators()

    parts = {"motion": motion, "plan and messages": plan, "command": actuators, "all of it": all_of_it}
    with pinned():
        return [_timed(name, part, _QUICK_CALLS if is_quick else _CALLS) for name, part in parts.items()]


def _timed(name: str, part: Callable[[], None], calls: int) -> GateRow:
    for _ in range(min(_WARM_UP, calls)):
        part()
    watch, times = Stopwatch(), np.empty(calls)
    for i in range(calls):
        watch.start()
        part()
        times[i] = watch.stop()
    median, p99, largest = np.percentile(times, (50, 99, 100)).tolist()
    return GateRow(name, median, p99, largest, calls, watch.interrupted)
