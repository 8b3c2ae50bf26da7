"""A sled to be controlled, and ways to close the loop without sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.counts import Counts
from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Message, Observation
from mpc_controller.node.clock import SimulationClock
from mpc_controller.node.controller import ControlJob, Controller
from mpc_controller.node.controller_node import ControllerOptions, ControllerSummary, control_job, run_controller
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, PlantSummary, run_plant
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solver import Solver
from tests.control.machines import MS, SledSolver, sled, task, transition

TICK_NS = 2 * MS


class SledPlant(Plant):
    """The sled itself, 10 % heavier than its model, pushed by `push` m/s², measured with `noise` m."""

    def __init__(self, position: float = 0.5, push: float = 0.8, noise: float = 1e-4, seed: int = 0) -> None:
        self.failure = ""
        self.closed = False
        self.state = np.array([position, 0.0])
        self.commands: list[Array] = []
        self.readings: dict[int, Array] = {}  # what the driver gives instead, by tick
        self._matrices = transition(2.2, 0.002)
        self._push, self._noise, self._random = push, noise, np.random.default_rng(seed)

    def read(self) -> tuple[Array, Array | None]:
        measured = self.state[:1] + self._noise * self._random.standard_normal(1)
        return self.readings.get(len(self.commands), measured), self.state.copy()

    def apply(self, u: Array) -> None:
        A, B, E = self._matrices
        self.commands.append(u.copy())
        self.state = A @ self.state + B @ u + E[:, 0] * self._push

    def close(self) -> None:
        self.closed = True


def job(solver: Solver | None = None, robot: Robot | None = None, work: Task | None = None) -> ControlJob:
    work = work or task()
    return control_job(robot or sled(), work, solver or SledSolver(work.problem), ControllerOptions())


class DirectLink(Link):
    """The plant's end, with a controller behind it that answers within the tick, as long as one is plugged in."""

    def __init__(self, controller: Controller | None = None) -> None:
        self.controller, self.counts = controller, Counts()
        self.sent: list[Message] = []
        self.waiting: list[Message] = []
        self.before: Callable[[Observation], None] = lambda observation: None

    def send(self, message: Message) -> None:
        if isinstance(message, Observation):
            self.before(message)
        self.sent.append(message)
        if self.controller is None:
            return
        self.controller.accept(message)
        if isinstance(message, Observation) and self.controller.is_due:
            self.waiting.append(self.controller.plan(0))
        self.waiting += self.controller.events.drain()

    def receive(self, timeout_s: float) -> Sequence[Message]:
        messages, self.waiting = self.waiting, []
        self.sent += messages
        return messages

    def close(self) -> None:
        pass

    def of(self, kind: type) -> list[Message]:
        """What was sent of a kind."""
        return [m for m in self.sent if isinstance(m, kind)]


def run(plant: SledPlant, link: Link, duration_s: float, robot: Robot | None = None) -> PlantSummary:
    """In virtual time, as fast as it goes."""
    clock = SimulationClock(TICK_NS, real_time=False)
    return run_plant(plant, robot or sled(), link, clock, PlantOptions(duration_s=duration_s), lambda: False)


@contextmanager
def controller_thread(bus: FakeBus, solver: Solver, work: Task) -> Iterator[list[ControllerSummary]]:
    """A controller node on the bus; its summary is in the list afterwards."""
    stop = threading.Event()
    summaries: list[ControllerSummary] = []
    link = bus.peer_link(newest_only=())
    options = ControllerOptions(solver="sled")

    def body() -> None:
        summaries.append(run_controller(sled(), work, solver, link, options, stop.is_set))

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield summaries
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def lock_step(seed: int, duration_s: float = 1.0) -> tuple[list[Message], PlantSummary, ControllerSummary]:
    """Plant and controller nodes in lock-step on the fake bus; everything that the plant's end says."""
    bus, work = FakeBus(), task()
    ear = bus.peer_link(newest_only=())
    with bus.plant_link() as link, controller_thread(bus, SledSolver(work.problem), work) as summaries:
        options = PlantOptions(duration_s=duration_s, lock_step=True)
        clock = SimulationClock(TICK_NS, real_time=False)
        summary = run_plant(SledPlant(seed=seed), sled(), link, clock, options, lambda: False)
    return list(ear.receive(0)), summary, summaries[0]
