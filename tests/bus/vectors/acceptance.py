"""Plans that come to a plant which follows one already, and why each is refused, if it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpc_controller.bus.codec import decode
from mpc_controller.bus.messages import Claim, Plan
from mpc_controller.control.lease import Lease
from mpc_controller.control.plan_acceptance import PlanAcceptance
from mpc_controller.robot import Robot
from tests.bus.vectors.machines import MS, described, frame, plan, sled, top

_NOW, _ANSWERED, _OLDEST = 100 * MS, 96 * MS, 30 * MS
_HOUR = 3_600_000 * MS
_OBSERVED = {"first": 1, "count": 100, "start_ns": 0, "period_ns": 2 * MS}  # the sequences 1 to 100, every 2 ms
_QUADRUPLE = np.array([0.5, -0.5, 0.5, 0.5])


def cases() -> list[dict[str, Any]]:
    return [
        _case("one plan of each fault", sled(), _faults(sled(), _sled_changes()), True),
        _case("quaternions", top(), _faults(top(), _top_changes()), True),
        _case("two controllers in turn", sled(), _two_controllers(sled())),
        _case("claims", sled(), _claims(sled())),
        _case("before an operator armed the robot", sled(), [(_plan(sled(), 0, {"sequence": 8}), False)], operator_arms=True),
        _case("a failed solve keeps its place in the order", sled(), _failed_solves(sled())),
        _case("epochs at both ends", sled(), _epochs(sled())),
    ]


def _sled_changes() -> list[dict[str, Any]]:
    """The faults one by one; without any, the plan is good."""
    return [
        {},
        {"status": 1},
        {"start_ns": _NOW + _OLDEST},
        {"valid_until_ns": _NOW + 1},
        {"controls": np.array([[20.0 + 0.5e-3 * 40], [-20.0 - 0.5e-3 * 40]])},
        {"answers_sequence": 37},
        {"robot": "other"},
        {"model_hash": "ba9876543210"},
        {"epoch": 4},
        {"epoch": 6},
        {"sequence": 7},
        {"sequence": 6},
        *({"status": status} for status in (2, 3, 4, 5)),
        {"states": np.zeros((3, 3))},
        {"controls": np.zeros((2, 2)), "gains": np.zeros((2, 2, 2))},
        {"gains": np.zeros((2, 1, 3))},
        _no_trajectory(),
        *({"states": np.array([[0.0, value], [0, 0], [0, 0]])} for value in (np.nan, np.inf)),
        {"controls": np.array([[np.nan], [0.0]])},
        {"gains": np.full((2, 1, 2), -np.inf)},
        {"times": _times(_ANSWERED + 1)},
        {"start_ns": _ANSWERED - 1, "times": _times(_ANSWERED)},
        {"valid_until_ns": _ANSWERED + 50 * MS + 1},
        {"controls": np.full((2, 1), 20.1)},
        {"controls": np.full((2, 1), -20.0 - 1.01e-3 * 40)},
        *({"answers_sequence": sequence} for sequence in (0, 36, 101, 99999, 2**64 - 1)),
        {"start_ns": _ANSWERED - 1},
        {"start_ns": _NOW + _OLDEST + 1},
        {"start_ns": _NOW + _HOUR},
        {"valid_until_ns": _NOW},
        {"valid_until_ns": _NOW - _HOUR},
        {"times": np.array([_ANSWERED, _ANSWERED + 1, 2**63 - 1])},
    ]


def _top_changes() -> list[dict[str, Any]]:
    lengths = (1.0, -1.0, 1 + 0.9e-6, 1 + 1.1e-6, 1 - 1.1e-6, 0.0, 1e200)
    return [{}, *({"states": np.hstack([np.tile(_QUADRUPLE * length, (3, 1)), np.zeros((3, 3))])} for length in lengths)]


def _faults(robot: Robot, changes: list[dict[str, Any]]) -> list[tuple[Plan, bool]]:
    """One plan for each change, all of them for a judge of their own."""
    return [(_plan(robot, k, change), True) for k, change in enumerate(changes)]


def _two_controllers(robot: Robot) -> list[tuple[Plan, bool]]:
    steps = [(5, 1, True), (6, 1, True), (5, 2, True), (4, 9, True), (4, 9, False), (6, 2, False), (5, 3, False), (6, 3, True)]
    return [(_plan(robot, k, {"epoch": e, "sequence": s}), led) for k, (e, s, led) in enumerate(steps)]


def _claims(robot: Robot) -> list[tuple[Plan, bool]]:
    """Of others than the leading one without a word, where it is free, and against the one that leads."""
    none, if_free, take_over = Claim.NONE, Claim.IF_FREE, Claim.TAKE_OVER
    steps = [(6, none, False), (6, none, True), (6, if_free, True), (5, none, True), (4, take_over, True)]
    steps += [(6, take_over, True), (5, none, True), (6, none, True), (7, if_free, False), (6, take_over, True)]
    return [(_plan(robot, k, {"epoch": e, "sequence": 20 + k, "claim": c}), led) for k, (e, c, led) in enumerate(steps)]


def _failed_solves(robot: Robot) -> list[tuple[Plan, bool]]:
    steps = [(5, 8, 0), (5, 10, 3), (5, 9, 0), (5, 10, 0), (5, 11, 0), (6, 50, 3), (5, 12, 0)]
    failed = _no_trajectory()
    return [
        (_plan(robot, k, {"epoch": e, "sequence": s} | (failed if status else {}) | {"status": status}), e == 5)
        for k, (e, s, status) in enumerate(steps)
    ]


def _epochs(robot: Robot) -> list[tuple[Plan, bool]]:
    steps = [(0, 1), (2**64 - 1, 2**64 - 1), (2**64 - 1, 0), (2**64 - 1, 2**64 - 1), (5, 1)]
    return [(_plan(robot, k, {"epoch": e, "sequence": s}), False) for k, (e, s) in enumerate(steps)]


def _plan(robot: Robot, seed: int, changes: dict[str, Any]) -> Plan:
    """Sequence 8 of epoch 5, in answer to the observation at `_ANSWERED`, unless the changes say otherwise."""
    start = int(changes.get("start_ns", _ANSWERED))
    fields = {"epoch": 5, "sequence": 8, "answers_sequence": 49}
    return plan(robot, np.random.default_rng(seed), start, **(fields | changes))


def _times(start_ns: int) -> Any:
    return start_ns + np.array([0, 20 * MS, 50 * MS])


def _no_trajectory() -> dict[str, Any]:
    empty = {"states": np.zeros((0, 0)), "controls": np.zeros((0, 0)), "gains": np.zeros((0, 0, 0))}
    return {"times": np.zeros(0, dtype=np.int64), **empty}


def _case(
    name: str, robot: Robot, offered: list[tuple[Plan, bool]], one_judge_each: bool = False, operator_arms: bool = False
) -> dict[str, Any]:
    plans = []
    judge = _judge(robot, operator_arms)
    for message, is_led in offered:
        if one_judge_each:
            judge = _judge(robot, operator_arms)
        written = frame(message)
        decoded = decode(bytes.fromhex(written))
        assert isinstance(decoded, Plan)
        reason, observed_ns = judge.judge(decoded, _NOW, is_led)
        outcome = {"reason": "" if reason is None else reason.value, "observed_ns": observed_ns, "epoch": judge.lease.epoch}
        plans.append({"frame": written, "is_led": is_led, **outcome})
    given = {"now_ns": _NOW, "oldest_ns": _OLDEST, "observed": _OBSERVED, "first": frame(_first(robot))}
    judges = {"one_judge_each": one_judge_each, "operator_arms": operator_arms}
    return {"name": name, "robot": described(robot), **given, **judges, "plans": plans}


def _first(robot: Robot) -> Plan:
    """The good plan that every judge has accepted before all others."""
    return _plan(robot, 99, {"sequence": 7})


def _judge(robot: Robot, operator_arms: bool) -> PlanAcceptance:
    """It has observed, and follows plan 7 of epoch 5; nothing where an operator has to arm the robot."""
    result = PlanAcceptance(robot, _OLDEST, Lease(operator_arms))
    for k in range(_OBSERVED["count"]):
        result.observed(_OBSERVED["first"] + k, _OBSERVED["start_ns"] + k * _OBSERVED["period_ns"])
    assert (result.judge(_first(robot), _NOW, is_led=False)[0] is None) is not operator_arms
    return result
