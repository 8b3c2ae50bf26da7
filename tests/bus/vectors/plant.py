"""The whole plant, tick by tick: what its sensors gave and what came, then the command and all that it said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.codec import decode
from mpc_controller.bus.frame_link import Budget, PlantEnd
from mpc_controller.bus.messages import Arm, EStop, Event, Message, Observation, ParameterUpdate, Plan, Truth
from mpc_controller.node.clock import Clock
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, run_plant
from mpc_controller.robot import Robot
from tests.bus.vectors.machines import MS, described, frame, linear_hold, plan, rail, rounded, sled, top, unit_quaternions

_TICK = 2 * MS
_TEMPERATURE = 36.625


@final
@dataclass(frozen=True)
class Tick:
    """What a plant is given; a reading of another size is none. back_ns: by how much its clock has gone back so far."""

    reading: Array
    words: list[Message | bytes] = field(default_factory=list)
    truth: Array | None = None
    back_ns: int = 0


Script = Callable[[Robot, np.random.Generator], list[Tick]]


def cases() -> list[dict[str, Any]]:
    sled_gain = np.array([[-20.0, -5.0]])
    top_gain = -np.hstack([0.5 * np.eye(3), 0.2 * np.eye(3)])
    return [
        _case("a flight with everything", sled(), sled_gain, _everything),
        _case("neutral until a plan was followed", sled(passive_without_plan=True, neutral=np.array([1.5])), sled_gain, _short),
        _case("attitudes", top(), top_gain, _attitudes),
        _case("limits of a joint", rail(), sled_gain, _joint),
        _case("a robot that keeps still by its own means", sled(), sled_gain, _short, keeps_still=True),
        _case("a sensor that freezes", rail(), sled_gain, _frozen, noisy=("q",)),
        _case("an operator arms", sled(), sled_gain, _armed, operator_arms=True),
        _case("a clock that goes back", sled(), sled_gain, _backwards),
    ]


def _everything(robot: Robot, random: np.random.Generator) -> list[Tick]:
    """Plans from tick 10 on, but for two pauses; then odd plans, stops, broken sensors, a jump of the plan."""
    ticks = []
    for k in range(420):
        words: list[Message | bytes] = []
        if k % 5 == 0 and k >= 10 and k not in (60, *range(80, 110)):
            words.append(_answer(robot, random, k, delay=int(random.integers(0, 3)), lead=int(random.integers(0, 4)) * 2 * MS))
        ticks.append(Tick(rounded(random.standard_normal(1)), words, rounded(random.standard_normal(2)) if k < 20 else None))
    odd: dict[int, list[Message | bytes]] = {
        33: [replace(_answer(robot, random, 33), status=4), _answer(robot, random, 33)],
        36: [_answer(robot, random, 36, states=np.full((3, 2), np.nan), gains=np.full((2, 1, 2), np.inf))],
        37: [_answer(robot, random, 37, states=np.ones((3, 3)), gains=np.ones((2, 1, 3)))],
        47: [_answer(robot, random, 47, epoch=2), b"MPC", b"garbage", ParameterUpdate(1, {"mass": 2.0})],
        48: [_answer(robot, random, k, sequence=420 + k) for k in range(43, 49)],  # only the newest four are read
        140: [EStop(1), _answer(robot, random, 140)],
        148: [EStop(1, clear=True)],
        152: [EStop(2, clear=True)],
        330: [EStop(3, clear=True)],
    }
    for k, words in odd.items():
        ticks[k] = replace(ticks[k], words=[*ticks[k].words, *words])
    broken = [np.array([np.nan]), np.array([np.inf]), np.zeros(0), np.zeros(2)]
    for k in (*range(52, 56), *range(250, 320)):
        ticks[k] = replace(ticks[k], reading=broken[k % 4])
    return ticks


def _short(robot: Robot, random: np.random.Generator) -> list[Tick]:
    ticks = []
    for k in range(60):
        words: list[Message | bytes] = [_answer(robot, random, k)] if 10 <= k < 25 and k % 5 == 0 else []
        words += [EStop(1)] if k == 45 else [EStop(2, clear=True)] if k == 50 else []
        ticks.append(Tick(rounded(0.1 * random.standard_normal(1)), words))
    return ticks


def _joint(robot: Robot, random: np.random.Generator) -> list[Tick]:
    """To and fro, ever further and faster, until the plans end."""
    ticks = []
    for k in range(120):
        words: list[Message | bytes] = [_answer(robot, random, k, delay=1)] if 5 <= k < 100 and k % 5 == 0 else []
        measured = 0.02 * k * np.array([math.sin(0.25 * k), 1.4 * math.cos(0.25 * k)])
        ticks.append(Tick(rounded(measured), words))
    return ticks


def _frozen(robot: Robot, random: np.random.Generator) -> list[Tick]:
    """The position stands still from tick 20 to 50 and from 60 on, the velocity, which has no noise, all along."""
    ticks = []
    for k in range(150):
        words: list[Message | bytes] = [_answer(robot, random, k, delay=1)] if k >= 5 and k % 5 == 0 else []
        position = 0.01 * random.standard_normal()
        ticks.append(Tick(rounded([0.5 if 20 <= k < 50 or k >= 60 else position, 0.125]), words))
    return ticks


def _armed(robot: Robot, random: np.random.Generator) -> list[Tick]:
    """Before the plans and after they paused; with the wrong name, too."""
    ticks = []
    for k in range(90):
        words: list[Message | bytes] = [_answer(robot, random, k)] if k >= 10 and k % 5 == 0 and not 30 <= k < 60 else []
        words += (
            [Arm("other", k + 1, k * _TICK)] if k in (12, 65) else [Arm(robot.name, k + 1, k * _TICK)] if k in (20, 72) else []
        )
        ticks.append(Tick(rounded(0.1 * random.standard_normal(1)), words))
    return ticks


def _backwards(robot: Robot, random: np.random.Generator) -> list[Tick]:
    """By an hour; then the plans end."""
    ticks = _short(robot, random)
    return [replace(tick, back_ns=3_600_000 * MS if k >= 20 else 0) for k, tick in enumerate(ticks)]


def _attitudes(robot: Robot, random: np.random.Generator) -> list[Tick]:
    ticks = []
    for k in range(80):
        words: list[Message | bytes] = [_answer(robot, random, k, delay=1)] if 5 <= k < 50 and k % 5 == 0 else []
        length = 1.2 if k in (20, 21) else 1.0
        ticks.append(Tick(length * unit_quaternions(random, 1)[0], words))
    return ticks


def _answer(robot: Robot, random: np.random.Generator, tick: int, delay: int = 0, lead: int = 0, **changes: Any) -> Plan:
    """To the observation `delay` ticks before; sequences rise by ten a tick, epochs every hundred ticks."""
    answered = tick - delay
    fields = {"epoch": 1 + tick // 100, "sequence": 10 * (tick + 1), "answers_sequence": answered + 1}
    return plan(robot, random, answered * _TICK + lead, **(fields | changes))


@final
class _ScriptedLink(PlantEnd):
    """Gives the frames of this tick, and keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[bytes] = []
        self.sent: list[bytes] = []

    def put(self, frame: bytes) -> None:
        self.sent.append(frame)

    def drain(self, timeout_s: float, budget: Budget) -> list[bytes]:
        return self.given

    def close(self) -> None:
        """Nothing to free."""


@final
class _ScriptedPlant(Clock, Plant):
    """The plant, and its clock: both step through the script."""

    def __init__(self, script: list[Tick], link: _ScriptedLink, keeps_still: bool, noisy: Sequence[str]) -> None:
        self._script, self._link, self._keeps_still, self.noisy = script, link, keeps_still, noisy
        self._next = 0
        self.frames: list[list[bytes]] = []
        self.commands: list[Array] = []
        self.said: list[list[bytes]] = []

    @property
    def is_over(self) -> bool:
        return self._next == len(self._script)

    def tick(self) -> int:
        self.said.append([])
        self._link.sent = self.said[-1]
        return self._next * _TICK - self._script[self._next].back_ns

    def read(self) -> tuple[Array, Array | None]:
        tick = self._script[self._next]
        self._link.given = [word if isinstance(word, bytes) else bytes.fromhex(frame(word)) for word in tick.words]
        self.frames.append(self._link.given)
        return tick.reading, tick.truth

    def apply(self, u: Array) -> None:
        self.commands.append(u.copy())
        self._next += 1

    def hold(self) -> bool:
        if self._keeps_still:
            self.apply(np.zeros(0))  # so that it counts as a tick
        return self._keeps_still

    def stop(self) -> bool:
        return self.hold()

    def health(self) -> Mapping[str, float]:
        return {"temperature_celsius": _TEMPERATURE} if self._keeps_still else {}

    def close(self) -> None:
        """Nothing to free."""


def _case(
    name: str,
    robot: Robot,
    gain: Array,
    script: Script,
    keeps_still: bool = False,
    noisy: Sequence[str] = (),
    operator_arms: bool = False,
) -> dict[str, Any]:
    robot = linear_hold(robot, gain)
    robot.__dict__["model_hash"] = "0123456789ab"  # a copy has no cached properties
    link = _ScriptedLink()
    given = script(robot, np.random.default_rng(7))
    plant = _ScriptedPlant(given, link, keeps_still, noisy)
    run_plant(plant, robot, link, plant, PlantOptions(operator_arms=operator_arms), lambda: plant.is_over)
    still = {"keeps_still": keeps_still, "temperature_celsius": _TEMPERATURE}
    still |= {"operator_arms": operator_arms, "noisy": [robot.measured.index(name) for name in noisy]}
    ticks = []
    for k, tick in enumerate(given):
        frames = plant.frames[k]
        entry = {"time_ns": k * _TICK - tick.back_ns, "measured": tick.reading, "frames": [f.hex() for f in frames]}
        truth = {} if tick.truth is None else {"truth": tick.truth}
        ticks.append(entry | truth | {"command": plant.commands[k], "sent": [_told(f, frames) for f in plant.said[k]]})
    return {"name": name, "robot": described(robot), "hold_gain": gain, **still, "ticks": ticks}


def _told(sent: bytes, given: list[bytes]) -> dict[str, Any]:
    """A message as it must be; of texts that hold numbers nothing is asked."""
    if sent in given:
        return {"repeats": given.index(sent)}
    message = decode(sent)
    if isinstance(message, Observation):
        row = {name: value for name, value in vars(message).items() if name not in ("robot", "model_hash", "mode")}
        return {"observation": row | {"mode": message.mode.name}}
    if isinstance(message, Truth):
        return {"truth": vars(message)}
    assert isinstance(message, Event)
    details = {name: value for name, value in message.details.items() if name not in ("asked", "sent")}
    row = {"kind": int(message.kind), "time_ns": message.time_ns, "source": message.source, "count": message.count}
    text = {} if message.text.startswith("the driver gave") else {"text": message.text}
    return {"event": row | text | {"details": details}}
