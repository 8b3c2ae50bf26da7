"""`python -m launch.chaos.faulty_plant ROBOT --task TASK --endpoint ADDRESS --orders FILE`: a plant as of `mpc sim`, whose
sensors, clock and tongue fail when they are told to."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from launch.signals import StopSignals
from mpc_controller.arrays import Array
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Event, EventKind, Message, Observation
from mpc_controller.bus.zmq_link import PlantLink
from mpc_controller.node.clock import Clock, SimulationClock
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, run_plant
from mpc_controller.robot import Robot
from mpc_controller.whole_file import write_whole
from robots import load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth

SOURCE = "faulty plant"  # of the events that say that a failure begins
_SPIKES_EVERY = 25  # ticks


@final
@dataclasses.dataclass(frozen=True)
class Failure:
    """For so many ticks from now on.

    what: "frozen", "spiking" or "lost" sensors of `states`; "clock-back", by `by_s`; "late-observations", whose time and
    sequence are those of `by_s` ago; "bad-observations", whose `field` becomes `values`, one after the other.
    """

    what: str
    ticks: int
    states: tuple[str, ...] = ()
    by_s: float = 0.0
    size: float = 0.0
    field: str = ""
    values: tuple[Any, ...] = ()

    def order(self, path: Path) -> None:
        """Of the plant that looks at `path`."""
        write_whole(path, json.dumps(dataclasses.asdict(self)))

    @classmethod
    def taken_from(cls, path: Path) -> Self | None:
        """What is ordered there, once."""
        try:
            text = path.read_text()
        except FileNotFoundError:
            return None
        path.unlink()
        order = json.loads(text)
        return cls(**order | {"states": tuple(order["states"]), "values": tuple(order["values"])})


@final
class FaultyPlant(Plant, Clock, Link):
    """In front of a plant, its clock and its link; all three are asked once a tick, in this order: clock, sensors, link."""

    def __init__(self, robot: Robot, plant: MujocoPlant, clock: Clock, link: Link, orders: Path) -> None:
        self._robot, self._plant, self._clock, self._link, self._orders = robot, plant, clock, link, orders
        self.noisy, self.counts = plant.noisy, link.counts
        self._failure: Failure | None = None
        self._left = 0
        self._shift_ns = 0
        self._frozen = np.zeros(0)
        self._is_due = False  # to say that a failure begins
        self._said: deque[Observation] = deque(maxlen=round(robot.plant_rate_hz))

    def tick(self) -> int:
        self._left -= 1
        if self._left <= 0:
            self._failure = Failure.taken_from(self._orders)
            self._is_due = self._failure is not None
            self._left = self._failure.ticks if self._failure else 0
            if self._failure and self._failure.what == "clock-back":
                self._shift_ns += round(self._failure.by_s * 1e9)
        self.overruns = self._clock.overruns
        return self._clock.tick() - self._shift_ns

    def read(self) -> tuple[Array, Array | None]:
        measured, truth = self._plant.read()
        self.failure = self._plant.failure
        failure = self._failure
        if failure is None:
            self._frozen = measured
            return measured, truth
        places = [self._robot.measured.index(name) for name in failure.states]
        if failure.what == "frozen":
            measured[places] = self._frozen[places]
        elif failure.what == "lost":
            measured[places] = math.nan
        elif failure.what == "spiking" and self._left % _SPIKES_EVERY == 0:
            measured[places] += failure.size
        return measured, truth

    def apply(self, u: Array) -> None:
        self._plant.apply(u)

    def send(self, message: Message) -> None:
        self._link.send(self._altered(message) if isinstance(message, Observation) else message)

    def receive(self, timeout_s: float) -> Sequence[Message]:
        return self._link.receive(timeout_s)

    def close(self) -> None:
        self._plant.close()

    def _altered(self, observation: Observation) -> Observation:
        failure = self._failure
        if failure is not None and self._is_due:
            self._is_due = False
            self._link.send(Event(EventKind.INFO, observation.time_ns, SOURCE, failure.what))
        self._said.append(observation)
        if failure is not None and failure.what == "late-observations":
            ago = min(round(failure.by_s * self._robot.plant_rate_hz), len(self._said) - 1)
            earlier = self._said[-1 - ago]
            return dataclasses.replace(observation, sequence=earlier.sequence, time_ns=earlier.time_ns)
        if failure is not None and failure.what == "bad-observations":
            value = failure.values[(failure.ticks - self._left) % len(failure.values)]
            return dataclasses.replace(observation, **_bad(failure.field, value))
        return observation


def _bad(field: str, value: Any) -> Mapping[str, Any]:
    return {field: np.array(value, dtype=float) if isinstance(value, list) else value}


def main() -> None:
    """Until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("robot")
    for option in ("--task", "--endpoint", "--orders"):
        parser.add_argument(option, required=True)
    given = parser.parse_args()
    robot = load_robot(given.robot)
    period_s = 1 / robot.plant_rate_hz
    with StopSignals() as stop, PlantLink(Endpoints.of(given.endpoint)) as link:
        inner = MujocoPlant(robot, robot.tasks[given.task]().initial_state, SimTruth(), 0, period_s)
        clock = SimulationClock(round(period_s * 1e9), real_time=True)
        plant = FaultyPlant(robot, inner, clock, link, Path(given.orders))
        run_plant(plant, robot, plant, plant, PlantOptions(), stop.requested)


if __name__ == "__main__":
    main()
