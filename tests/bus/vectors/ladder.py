"""Modes over time: plans that come, stop, fail and return; stops of operators; sensors that fall silent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.codec import decode
from mpc_controller.bus.messages import Arm, Claim, EStop, Plan
from mpc_controller.control.ladder import Ladder
from mpc_controller.robot import Robot
from tests.bus.vectors.machines import MS, described, frame, plan, rail, rounded, sled

_TICK = 2 * MS
_SOUND, _NONE = np.zeros(1), np.zeros(0)  # what sensors without news and sensors that fell silent give

Said = list[Plan | EStop | Arm]


def cases() -> list[dict[str, Any]]:
    fast = sled(plant_rate_hz=1000.0, control_rate_hz=500.0)  # three periods are 6 ms: the hold time is 20 ms
    return [
        _case("plans stop and return", sled(), _stop_and_return(sled())),
        _case("plans stop, at 500 Hz", fast, _stop_and_return(fast)),
        _case("stops and clears", sled(), _stops(sled())),
        _case("sensors fall silent", sled(), _silence(sled())),
        _case("limits of a joint", rail(), _joint(rail())),
        _case("another takes over", sled(), _takeover(sled())),
        _case("an operator arms", sled(), _armed(sled()), operator_arms=True),
        _case("an operator arms a robot that has to brake", rail(), _armed_joint(rail()), operator_arms=True),
        _case("too many messages", sled(), _crowd(sled())),
        *(_case(f"anything, seed {seed}", sled(), _anything(sled(), seed)) for seed in range(3)),
    ]


def _stop_and_return(robot: Robot) -> Iterator[tuple[Said, Array]]:
    """Plans every 10 ms that start 2 ms after they come; one is left out, then six, and in the end they stop."""
    for tick in range(110):
        is_due = tick % 5 == 0 and tick != 20 and not 30 <= tick < 60 and tick < 75
        yield [_answer(robot, tick, delay=2, lead=6 * MS)] if is_due else [], _SOUND


def _stops(robot: Robot) -> Iterator[tuple[Said, Array]]:
    words: dict[int, Said] = {
        20: [EStop(5)],
        25: [EStop(4, clear=True)],
        26: [EStop(5, clear=True)],
        27: [EStop(6, clear=True)],
        45: [EStop(0)],
        50: [EStop(7, clear=True), EStop(7)],
        55: [EStop(8, clear=True)],
    }
    for tick in range(90):
        plans: Said = [_answer(robot, tick, delay=1, lead=0)] if tick % 5 == 0 and tick else []
        yield [*plans, *words.get(tick, [])], _SOUND


def _silence(robot: Robot) -> Iterator[tuple[Said, Array]]:
    clears: dict[int, Said] = {75: [EStop(1, clear=True)], 90: [EStop(2, clear=True)]}
    for tick in range(120):
        plans: Said = [_answer(robot, tick, delay=1, lead=0)] if tick % 5 == 0 and tick else []
        yield [*plans, *clears.get(tick, [])], _NONE if 20 <= tick < 80 else _SOUND


def _joint(robot: Robot) -> Iterator[tuple[Said, Array]]:
    """It moves to and fro, ever further and faster."""
    for tick in range(120):
        plans: Said = [_answer(robot, tick, delay=1, lead=0)] if tick % 5 == 0 and tick else []
        growth, angle = 0.02 * tick, 0.25 * tick
        yield plans, rounded(growth * np.array([math.sin(angle), 1.4 * math.cos(angle)]))


def _takeover(robot: Robot) -> Iterator[tuple[Said, Array]]:
    """Epoch 2 from tick 20 on beside 1, without effect until it says so; its first plan starts later than it comes."""
    for tick in range(80):
        said: Said = []
        if tick % 5 == 0 and tick:
            said.append(_answer(robot, tick, delay=1, lead=0))
        if tick % 5 == 2 and tick >= 20:
            other = replace(_answer(robot, tick, delay=1, lead=4 * MS), epoch=2)
            said.append(replace(other, claim=Claim.NONE if tick < 30 else Claim.IF_FREE if tick < 45 else Claim.TAKE_OVER))
        yield said, _SOUND


def _armed(robot: Robot) -> Iterator[tuple[Said, Array]]:
    """Plans every 10 ms, two pauses, a stop; the operator's words, wrong ones first."""
    words: dict[int, Said] = {
        12: [_word("other", 12)],
        13: [Arm(robot.name, 999, 13 * _TICK)],
        11: [Arm(robot.name, 11, 11 * _TICK)],  # of another run
        14: [_word(robot.name, 14)],
        15: [_word(robot.name, 15)],
        60: [_word(robot.name, 15)],  # of before the hold
        63: [_word(robot.name, 60)],
        75: [EStop(1)],
        78: [_word(robot.name, 78)],
        80: [EStop(2, clear=True)],
        85: [_word(robot.name, 80)],  # of before the release
        88: [_word(robot.name, 88)],
    }
    for tick in range(130):
        is_due = tick % 5 == 0 and tick and not 30 <= tick < 55 and tick < 110
        plans: Said = [replace(_answer(robot, tick, delay=1, lead=2 * MS), epoch=1 + tick // 80)] if is_due else []
        yield [*words.get(tick, []), *plans], _SOUND


def _armed_joint(robot: Robot) -> Iterator[tuple[Said, Array]]:
    """A plan is followed all along, but for the joint, which is too fast for a while."""
    words: dict[int, Said] = {5: [_word(robot.name, 5)], 60: [_word(robot.name, 60)]}
    for tick in range(80):
        plans: Said = [_answer(robot, tick, delay=1, lead=0)] if tick % 5 == 0 and tick else []
        yield [*words.get(tick, []), *plans], np.array([0.0, 3.0 if 30 <= tick < 40 else 0.0])


def _word(robot: str, answers: int) -> Arm:
    """An operator's, about observation `answers`, which goes out at the tick before."""
    return Arm(robot, answers, (answers - 1) * _TICK)


def _crowd(robot: Robot) -> Iterator[tuple[Said, Array]]:
    """More than 64 messages at once, twice: those after the first are old."""
    for tick in range(30):
        plans: Said = [_answer(robot, tick, delay=1, lead=0)] if tick % 5 == 0 and tick else []
        yield [*plans, *([EStop(0, clear=True)] * {2: 1, 12: 65, 20: 64}.get(tick, 0))], _SOUND


def _anything(robot: Robot, seed: int) -> Iterator[tuple[Said, Array]]:
    """Two controllers, late and early plans, failed solves, short validity, stops, and sensors with pauses."""
    random = np.random.default_rng(seed)
    silent_until = 0
    for tick in range(150):
        said: Said = []
        if tick and random.random() < 0.35:
            said.append(_random_answer(robot, tick, random))
        if random.random() < 0.03:
            said.append(EStop(int(random.integers(0, 2 + tick // 8)), bool(random.random() < 0.7)))
        if random.random() < 0.01:
            silent_until = tick + int(random.integers(10, 70))
        yield said, _SOUND if tick >= silent_until else _NONE


def _random_answer(robot: Robot, tick: int, random: np.random.Generator) -> Plan:
    delay = int(random.integers(0, min(tick, 12)))
    answer = _answer(robot, tick, delay, int(random.integers(0, 20)) * MS)
    end = answer.start_ns + int(random.integers(0, 51)) * MS
    epoch = int(random.choice([1, 2, 3])) + tick // 60
    return replace(answer, epoch=epoch, valid_until_ns=end, status=int(random.choice([0, 0, 0, 1, 3])))


def _answer(robot: Robot, tick: int, delay: int, lead: int) -> Plan:
    """To the observation `delay` ticks before, starting `lead` ns after that."""
    period = round(1e9 / robot.plant_rate_hz)
    answered = max(tick - delay, 0)
    sequences = {"sequence": tick + 1, "answers_sequence": answered + 1}
    return plan(robot, np.random.default_rng(tick), answered * period + lead, **sequences)


def _case(name: str, robot: Robot, script: Iterator[tuple[Said, Array]], operator_arms: bool = False) -> dict[str, Any]:
    period_ns, tick_ns = round(1e9 / robot.control_rate_hz), round(1e9 / robot.plant_rate_hz)
    ladder = Ladder(robot, period_ns, operator_arms)
    steps = []
    for tick, (said, measured) in enumerate(script):
        now_ns = tick * tick_ns
        ladder.acceptance.observed(tick + 1, now_ns)
        if measured.size:
            ladder.measured(now_ns, measured)
        frames = [frame(message) for message in said]
        refused = []
        for written in frames:
            message = decode(bytes.fromhex(written))
            if isinstance(message, Plan):
                reason = ladder.offer(message, now_ns)
                refused.append("" if reason is None else reason.value)
            elif isinstance(message, EStop):
                ladder.e_stop(message)
            elif isinstance(message, Arm):
                ladder.arm(message)
        change = ladder.step(now_ns)
        followed = [] if ladder.plan is None else [ladder.plan.epoch, ladder.plan.sequence, ladder.plan.observed_ns]
        outcome = {"refused": refused, "mode": ladder.mode.name, "why": "" if change is None else change.reason}
        steps.append(
            {"now_ns": now_ns, "measured": measured, "frames": frames, **outcome}
            | {"followed": followed, "latency_ns": ladder.latency_ns, "epoch": ladder.lease.epoch}
            | {"awaits_operator": ladder.lease.awaits_operator}
        )
    return {"name": name, "robot": described(robot), "operator_arms": operator_arms, "steps": steps}
