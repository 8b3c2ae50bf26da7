"""What a controller asks of an observation before it plans from it."""

from __future__ import annotations

import enum
from typing import Final, final

import numpy as np

from mpc_controller.bus.messages import Observation
from mpc_controller.control.measurement import are_unit, measured_quaternions
from mpc_controller.robot import Robot

_RESTARTED: Final = 10  # observations in a row
_FARTHEST: Final = 1000  # observations back


def refusal(observation: Observation, robot: Robot) -> tuple[str, str] | None:
    """Why an observation must not be planned from: a topic to count it by and a line to tell; None when it is sound."""
    if observation.robot != robot.name:
        return "other robot", f"the plant is a '{observation.robot}'; this controller is for a '{robot.name}'"
    if observation.model_hash != robot.model_hash:
        text = f"the plant's model of '{robot.name}' is {observation.model_hash}, the controller's is {robot.model_hash}"
        return "other model", f"{text}: both sides must run the same version"
    expected = len(robot.measured), robot.dynamics.nu
    if (observation.measured.shape, observation.control.shape) != ((expected[0],), (expected[1],)):
        given = observation.measured.size, observation.control.size
        text = f"{given[0]} measured and {given[1]} control values; '{robot.name}' has {expected[0]} and {expected[1]}"
        return "wrong size", f"observation {observation.sequence}: {text}"
    if not (np.isfinite(observation.measured).all() and np.isfinite(observation.control).all()):
        bad = [n for n, v in zip(robot.measured, observation.measured, strict=True) if not np.isfinite(v)]
        return "not finite", f"observation {observation.sequence}: not finite: {', '.join(bad) or 'control'}"
    if not are_unit(observation.measured, measured_quaternions(robot)):
        return "not a rotation", f"observation {observation.sequence}: a quaternion does not have unit length"
    return None


def is_repeat(observation: Observation, last: Observation) -> bool:
    """Whether the same was said, or came, once more."""
    return (observation.sequence, observation.time_ns) == (last.sequence, last.time_ns)


@final
class Order(enum.Enum):
    """How an observation stands to the one before it."""

    NEXT = enum.auto()
    REPEAT = enum.auto()
    LATE = enum.auto()
    RESTART = enum.auto()


@final
class Succession:
    """In one run of a plant sequence and time rise together. What does not rise has come late, on a network that reorders, or
    is of a plant that has started again: in lock step, which has no late ones, at once, and where it is the first of a run, or
    from as far back as no network reorders, or a later one of a lower sequence; else when so many in a row rise among
    themselves."""

    def __init__(self) -> None:
        self._older: Observation | None = None
        self._in_a_row = 0

    def judge(self, observation: Observation, last: Observation | None) -> Order:
        """`last` is the newest one; None when there is none yet."""
        if last is None or (observation.sequence > last.sequence and observation.time_ns > last.time_ns):
            self._older, self._in_a_row = None, 0
            return Order.NEXT
        if is_repeat(observation, last):
            return Order.REPEAT
        older, self._older = self._older, observation
        rises = older is not None and observation.sequence > older.sequence and observation.time_ns > older.time_ns
        self._in_a_row = self._in_a_row + 1 if rises else 1
        is_first = observation.sequence <= 1 or last.sequence - observation.sequence > _FARTHEST
        is_first |= observation.sequence < last.sequence and observation.time_ns > last.time_ns
        if observation.lock_step or is_first or self._in_a_row >= _RESTARTED:
            self._older, self._in_a_row = None, 0
            return Order.RESTART
        return Order.LATE


@final
class Hearing:
    """What a listener has of a plant's observations, from its first word on."""

    def __init__(self) -> None:
        self._succession = Succession()
        self._missing: dict[int, None] = {}  # of this run, and not from so far back that they do not come any more
        self.newest: Observation | None = None
        self.lost = 0

    def take(self, observation: Observation) -> Order:
        """One that came. Those that were skipped are `lost`, until they come late."""
        last = self.newest
        order = self._succession.judge(observation, last)
        if order is Order.LATE and observation.sequence in self._missing:
            del self._missing[observation.sequence]
            self.lost -= 1
        elif order is Order.NEXT and last is not None:
            self._skip(last.sequence + 1, observation.sequence)
        elif order is Order.RESTART:
            self._missing.clear()
        if order in (Order.NEXT, Order.RESTART):
            self.newest = observation
        return order

    def _skip(self, first: int, end: int) -> None:
        self.lost += end - first
        oldest = end - _FARTHEST
        while self._missing and (sequence := next(iter(self._missing))) < oldest:
            del self._missing[sequence]
        self._missing.update(dict.fromkeys(range(max(first, oldest), end)))
