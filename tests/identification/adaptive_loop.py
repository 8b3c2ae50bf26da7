"""A controller and what learns beside it, around one plant, without sockets and without a clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.counts import Counts
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Message, Observation, ParameterUpdate, Plan
from mpc_controller.control.predictor import Predictor
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.node.adaptation import Adaptation
from mpc_controller.node.clock import SimulationClock
from mpc_controller.node.controller import Controller
from mpc_controller.node.controller_node import ControllerOptions, control_job
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, run_plant
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solver import Solver


class LearningLink(Link):
    """The plant's end. Behind it a controller that answers within the tick and, when there is one, what learns: its updates
    reach the controller before the next observation, as they would be recorded."""

    def __init__(self, controller: Controller, adaptation: Adaptation | None) -> None:
        self.controller, self.adaptation, self.counts = controller, adaptation, Counts()
        self.sent: list[Message] = []
        self._waiting: list[Message] = []
        self._said: list[ParameterUpdate] = []
        self.before: Callable[[Observation], None] = lambda observation: None

    def send(self, message: Message) -> None:
        if isinstance(message, Observation):
            self.before(message)
            for update in self._said:
                self.say(update)
            self._said.clear()
        self.sent.append(message)
        self.controller.accept(message)
        if isinstance(message, Observation) and self.controller.is_due:
            self._waiting.append(self.controller.plan(0, has_deadline=False))
        self._waiting += self.controller.events.drain()
        if self.adaptation is not None:
            self.adaptation.accept(message)
            if self.adaptation.is_due and (update := self.adaptation.take_update()):
                self._said.append(update)

    def say(self, update: ParameterUpdate) -> None:
        """Let everyone hear an update."""
        self.sent.append(update)
        self.controller.accept(update)
        if self.adaptation is not None:
            self.adaptation.accept(update)

    def receive(self, timeout_s: float) -> Sequence[Message]:
        messages, self._waiting = self._waiting, []
        self.sent += messages
        return messages

    def close(self) -> None:
        pass

    def plans(self) -> list[Plan]:
        return [m for m in self.sent if isinstance(m, Plan)]

    def observations(self) -> list[Observation]:
        return [m for m in self.sent if isinstance(m, Observation)]

    def updates(self) -> list[ParameterUpdate]:
        return [m for m in self.sent if isinstance(m, ParameterUpdate)]


def learning_loop(
    robot: Robot, task: Task, solver: Solver, plant: Plant, adaptation: Adaptation | None, duration_s: float, **hooks: Callable
) -> LearningLink:
    """Run in virtual time. hooks: before(link, observation), called ahead of every observation."""
    link = LearningLink(Controller(control_job(robot, task, solver, ControllerOptions()), epoch=1), adaptation)
    if "before" in hooks:
        link.before = lambda observation: hooks["before"](link, observation)
    clock = SimulationClock(round(1e9 / robot.plant_rate_hz), real_time=False)
    run_plant(plant, robot, link, clock, PlantOptions(duration_s=duration_s), lambda: False)
    return link


class ModelPlant(Plant):
    """The robot's own model with other parameters, sensor noise, and commands that act some ticks late.

    `changes` gives further values by the tick from which they hold.
    """

    def __init__(
        self,
        robot: Robot,
        initial_state: Array,
        values: dict[str, float],
        seed: int = 0,
        late: int = 2,
        changes: dict[int, dict[str, float]] | None = None,
    ) -> None:
        self.failure = ""
        self.state = np.array(initial_state, dtype=float)
        self._robot, self._manifold = robot, robot.dynamics.manifold
        self._parameters = robot.dynamics.parameters.with_values(values)
        self._changes = changes or {}
        self._step, self._dt = Predictor(robot.dynamics, RungeKutta4()).step, 1 / robot.plant_rate_hz
        self._random = np.random.default_rng(seed)
        self._commands = [np.array(robot.neutral, dtype=float)] * late
        self._seen = self._manifold.tangent_indices([int(i) for i in robot.measured_indices])
        self._tick = 0

    def read(self) -> tuple[Array, Array]:
        error = np.zeros(self._manifold.ndx)
        error[self._seen] = self._robot.measurement_std * self._random.standard_normal(len(self._seen))
        return self._manifold.retract(self.state, error)[self._robot.measured_indices], self.state.copy()

    def apply(self, u: Array) -> None:
        self._parameters = self._parameters.with_values(self._changes.get(self._tick, {}))
        self._tick += 1
        self._commands.append(u.copy())
        self.state = self._step(self.state, self._commands.pop(0), self._parameters.values, self._dt)

    def close(self) -> None:
        pass
