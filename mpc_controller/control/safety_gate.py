"""The safety gate: may this plan be followed, can this motion still be stopped, what goes to the actuators.

Pure and small enough to read whole: numbers in, numbers out. It has no clock, no memory and no input or output.

    motion_faults    positions and velocities in their limits, braking distances in what is left      → hold, that is, brake
    plan_fault       age and validity of the plan, and who leads                                      → hold
    message_fault    messages that came at once                                                       → hold
    gate             the command: finite, of the right shape, in range, within slew                   → the nearest that is

docs/safety.md says what of a robot's safety this cannot be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from mpc_controller.arrays import Array

# A command on its limit differs from it by rounding; that is no intervention. Relative to the size of the limit.
_ROUNDING: Final = 1e-9
# A motion that was braked is free again at half the speed and with twice the braking distance left: no chatter in between.
_RELEASE: Final = 2.0


@final
@dataclass(frozen=True)
class CommandLimits:
    """lower ≤ u ≤ upper (nu,), and |Δu| ≤ step (nu,) from one command to the next."""

    lower: Array
    upper: Array
    step: Array

    def __post_init__(self) -> None:
        sizes = self.lower.shape == self.upper.shape == self.step.shape and self.lower.ndim == 1
        if not sizes or not (np.all(np.isfinite(self.lower) & np.isfinite(self.upper) & (self.lower <= self.upper))):
            raise ValueError(f"command limits {self.lower} to {self.upper}: finite, equally many and in ascending order")
        if not np.all(self.step > 0):
            raise ValueError(f"command limits: the largest step is {self.step}; each must be above 0")


@final
@dataclass(frozen=True)
class JointLimit:
    """lower ≤ q ≤ upper [unit] and |q̇| ≤ speed [unit/s] of one joint, by the names of its two states.

    From q̇ the robot's hold law stops it within |q̇| reaction_s + q̇² / (2 deceleration), deceleration in unit/s².
    """

    position: str
    velocity: str
    unit: str
    lower: float
    upper: float
    speed: float
    deceleration: float
    reaction_s: float

    def __post_init__(self) -> None:
        if not -math.inf < self.lower < self.upper < math.inf:
            raise ValueError(f"limits of {self.position}: {self.lower} to {self.upper} {self.unit}; finite and ascending")
        if not (0 < self.speed < math.inf and 0 < self.deceleration < math.inf and 0 <= self.reaction_s < math.inf):
            given = f"speed {self.speed}, deceleration {self.deceleration}, reaction_s {self.reaction_s}"
            raise ValueError(f"limits of {self.position}: {given}; finite, the first two above 0, the last at least 0")

    def stopping_distance(self, velocity: float) -> float:
        """[unit] that it moves on when the hold law takes over now."""
        return abs(velocity) * self.reaction_s + velocity**2 / (2 * self.deceleration)


@final
@dataclass(frozen=True)
class PlanFacts:
    """Of the plan that would be followed at this tick: its age, how long it is valid yet, the epoch of its controller, and the
    epoch of the one that leads."""

    age_ns: int
    valid_ns: int
    epoch: int
    leading_epoch: int


def motion_faults(
    limits: Sequence[JointLimit], positions: Sequence[float], velocities: Sequence[float], is_braked: bool
) -> tuple[str, ...]:
    """Why the robot must brake: one reason for each joint that is where, or as fast as, it must not be; () when none is.

    `is_braked`: it was told to at the tick before; then it is free only at rest enough (_RELEASE).
    """
    slack = _RELEASE if is_braked else 1.0
    faults = (_motion_fault(*joint, slack) for joint in zip(limits, positions, velocities, strict=True))
    return tuple(fault for fault in faults if fault)


def _motion_fault(limit: JointLimit, position: float, velocity: float, slack: float) -> str:
    """Comparisons are such that a NaN is a fault."""
    unit = limit.unit
    if not limit.lower <= position <= limit.upper:
        return f"{limit.position} is at {position:.4g} {unit}, outside of {limit.lower:g} to {limit.upper:g} {unit}"
    if not abs(velocity) * slack <= limit.speed:
        return f"{limit.velocity} is {velocity:.4g} {unit}/s; at most {limit.speed / slack:g} {unit}/s is allowed"
    left = limit.upper - position if velocity > 0 else position - limit.lower
    needed = slack * limit.stopping_distance(velocity)
    if needed > left:
        return f"{limit.position} has {left:.4g} {unit} left and needs {needed:.4g} {unit} to stop"
    return ""


def plan_fault(facts: PlanFacts, oldest_ns: int) -> str:
    """Why the plan, which must be younger than `oldest_ns`, must not be followed: the first reason; '' when there is none."""
    if facts.age_ns >= oldest_ns:
        return f"no plan for {facts.age_ns / 1e6:.1f} ms"
    if facts.valid_ns <= 0:
        return "the plan's validity ended"
    if facts.epoch != facts.leading_epoch:
        return f"the plan is of controller {facts.epoch}; {facts.leading_epoch} leads"
    return ""


def message_fault(messages: int, most: int) -> str:
    """Why those who sent so many messages within one tick are not to be followed; '' when they may be."""
    return f"{messages} messages in one tick; at most {most} are allowed" if messages > most else ""


def gate(command: Array, last: Array, limits: CommandLimits) -> tuple[Array, tuple[str, ...]]:
    """The nearest safe command, and why it differs from what was asked (empty when it does not).

    `last` (nu,) is the last command that went out; it is repeated when the new one has a wrong shape or is not finite. Where
    it is itself out of range or not finite, it counts as the nearest value in range to it, or to 0.
    """
    shape, lower, upper = limits.lower.shape, limits.lower.tolist(), limits.upper.tolist()
    known = last.tolist() if last.shape == shape else [math.nan for _ in lower]
    before = list(map(_clip, (b if math.isfinite(b) else 0.0 for b in known), lower, upper))
    if command.shape != shape:
        return np.array(before, dtype=float), (f"shape {command.shape} instead of {shape}",)
    asked = command.tolist()
    if command.dtype.kind not in "fiu" or not all(map(math.isfinite, asked)):
        return np.array(before, dtype=float), ("not finite",)
    safe, changes = [], set()
    for c, b, lo, hi, step in zip(asked, before, lower, upper, limits.step.tolist(), strict=True):
        in_range = _clip(c, lo, hi)
        sent = _clip(in_range, b - step, b + step)
        if abs(in_range - c) > _ROUNDING * (1 + abs(c)):
            changes.add("range")
        if abs(sent - in_range) > _ROUNDING * (1 + abs(in_range)):
            changes.add("slew")
        safe.append(sent)
    return np.array(safe, dtype=float), tuple(sorted(changes))


def _clip(value: float, lower: float, upper: float) -> float:
    """The nearest to a finite value in [lower, upper]."""
    return lower if value < lower else upper if value > upper else value
