"""A controller that commands one control for a while, and then dies without a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.counts import Counts
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Message, Observation, Plan
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, PlantSummary, run_plant
from mpc_controller.robot import Robot
from tests.control.machines import MS, N, plan
from tests.drivers.ticks import Timed, clock_of


class MortalController(Link):
    """The plant's end of the bus; the controller behind it answers observations until `life_s` after the first sound one."""

    def __init__(self, robot: Robot, u: Array, life_s: float, now_s: Callable[[], float]) -> None:
        self.counts = Counts()
        self._robot, self._u, self._life_s, self._now_s = robot, u, life_s, now_s
        self._born_s: float | None = None
        self._waiting: list[Plan] = []

    @property
    def is_dead(self) -> bool:
        return self._born_s is not None and self._now_s() - self._born_s > self._life_s

    def send(self, message: Message) -> None:
        if not isinstance(message, Observation) or not np.isfinite(message.measured).all() or self.is_dead:
            return
        if self._born_s is None:
            self._born_s = self._now_s()
        self._waiting = [
            plan(
                self._robot,
                sequence=message.sequence,
                answers_sequence=message.sequence,
                start_ns=message.time_ns,
                valid_until_ns=message.time_ns + 1000 * MS,
                times=message.time_ns + np.arange(N + 1, dtype=np.int64) * 50 * MS,
                states=np.tile(message.measured, (N + 1, 1)),
                controls=np.tile(self._u, (N, 1)),
            )
        ]

    def receive(self, timeout_s: float) -> Sequence[Message]:
        messages, self._waiting = self._waiting, []
        return messages

    def close(self) -> None:
        pass


def outlive(plant: Plant, robot: Robot, u: Array, emulator: Timed, life_s: float, after_s: float) -> PlantSummary:
    """Run the plant node by the emulator's time: with a controller that commands u for `life_s`, and for `after_s` without."""
    link = MortalController(robot, u, life_s, lambda: emulator.time_s)
    died_s: list[float] = []

    def is_over() -> bool:
        if link.is_dead and not died_s:
            died_s.append(emulator.time_s)
        return bool(died_s) and emulator.time_s - died_s[0] > after_s

    return run_plant(plant, robot, link, clock_of(emulator, robot), PlantOptions(), is_over)
