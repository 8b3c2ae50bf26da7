"""Feeds recorded observations to the controller again, and compares its plans with the recorded ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Event, Message, Observation, ParameterUpdate, Plan, Reference
from mpc_controller.bus.recording import read_recording
from mpc_controller.model.residual.residual import Residual
from mpc_controller.node.controller import Controller
from mpc_controller.node.controller_node import ControllerOptions, control_job
from mpc_controller.node.error import NodeError
from mpc_controller.node.observed import Order, Succession, refusal
from mpc_controller.node.plan_difference import Difference, differences
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solution import Residuals, Solution, Status
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.trajectory import Trajectory

_NAMED = 20  # differences told one by one
_DIGITS = 20  # of the largest sequence


@final
@dataclass(frozen=True)
class ReplayReport:
    """plans: compared. identical: of them, to the last bit. differences: the first few. cut_by_deadline: plans that the clock
    cut short, which no replay can compare. incomplete: what the recording lacks, which explains differences."""

    plans: int
    identical: int
    differences: tuple[Difference, ...]
    cut_by_deadline: int
    incomplete: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        return self.identical == self.plans and not self.incomplete


def replay_recording(
    path: Path, robot: Robot, task: Task, solver: Solver, options: ControllerOptions | None = None
) -> ReplayReport:
    """`replay` of a file. Raises RecordingError for one that can't be read."""
    kinds = (Observation, Plan, ParameterUpdate, Reference, Event)
    return replay((message for _, message in read_recording(path).messages(*kinds)), robot, task, solver, options)


def replay(
    messages: Iterable[Message], robot: Robot, task: Task, solver: Solver, options: ControllerOptions | None = None
) -> ReplayReport:
    """Run every recorded epoch through a fresh Controller, which plans for the observations that it planned for then.

    A plant may have started again within the recording: an epoch belongs to the run of the plant that its first plan was made
    in. Solves that the deadline had cut count as failed here too; the rest must be the same to the last bit, as long as
    machine, versions and libraries are. Raises NodeError when there are no plans to compare with, or another robot's or task's.
    """
    stream = list(messages)
    plans = _by_epoch(stream)
    _check(plans, robot, task)
    runs = _runs_of_epochs(stream, robot)
    scripted = _ScriptedSolver(solver)
    job = control_job(robot, task, scripted, options or ControllerOptions())
    comparison = _Comparison()
    for epoch, recorded in plans.items():
        _replay_epoch(Controller(job, epoch), scripted, runs[epoch], recorded, told_losses(stream, epoch), comparison)
    return comparison.report()


def _replay_epoch(
    controller: Controller,
    solver: _ScriptedSolver,
    stream: Sequence[Message],
    recorded: dict[int, Plan],
    lost: Sequence[tuple[int, int]],
    comparison: _Comparison,
) -> None:
    """From the observation that the first plan answers to the one that the last does."""
    comparison.check_complete(recorded, stream)
    remaining = dict(recorded)
    first = next(iter(remaining))
    started = False
    for message in stream:
        started = started or (isinstance(message, Observation) and message.sequence == first)
        if not started or (isinstance(message, Observation) and any(a <= message.sequence <= b for a, b in lost)):
            continue
        controller.accept(message)
        if isinstance(message, Observation) and message.sequence in remaining:
            plan = remaining.pop(message.sequence)
            solver.is_cut = plan.status == Status.DEADLINE
            comparison.add(plan, controller.plan(0, has_deadline=False))
            if not remaining:
                return


def _by_epoch(stream: Sequence[Message]) -> dict[int, dict[int, Plan]]:
    """For every epoch its plans by the observation that they answer, in the order of sending; repeats are left out."""
    result: dict[int, dict[int, Plan]] = {}
    for message in stream:
        if isinstance(message, Plan):
            result.setdefault(message.epoch, {}).setdefault(message.answers_sequence, message)
    return result


def _runs_of_epochs(stream: Sequence[Message], robot: Robot) -> dict[int, list[Message]]:
    """For every epoch the messages of the run of the plant in which its first plan came: from one start of the plant to the
    next, as its controller noticed it."""
    result: dict[int, list[Message]] = {}
    run: list[Message] = []
    last: Observation | None = None
    succession = Succession()
    for message in stream:
        if isinstance(message, Observation) and refusal(message, robot) is None:
            order = succession.judge(message, last)
            if order is Order.RESTART:
                run = []
            if order in (Order.RESTART, Order.NEXT):
                last = message
        run.append(message)
        if isinstance(message, Plan):
            result.setdefault(message.epoch, run)
    return result


def told_losses(stream: Sequence[Message], epoch: int) -> list[tuple[int, int]]:
    """The first and the last of each row of observations that this epoch's controller said it had not."""
    result = []
    for message in stream:
        if isinstance(message, Event) and message.source == "controller" and message.details.get("epoch") == str(epoch):
            first, last = (message.details.get(name, "") for name in ("first_lost", "last_lost"))
            if first.isdecimal() and last.isdecimal() and len(first) <= len(last) <= _DIGITS:
                result.append((int(first), int(last)))
    return result


def _check(plans: dict[int, dict[int, Plan]], robot: Robot, task: Task) -> None:
    if not plans:
        raise NodeError("the recording has no plans to compare with")
    for recorded in plans.values():
        plan = next(iter(recorded.values()))
        given, expected = (plan.robot, plan.model_hash, plan.task), (robot.name, robot.model_hash, task.name)
        if given != expected:
            raise NodeError(f"the recording is of robot, model, task {given}; the replay was asked for {expected}")


@final
class _Comparison:
    """Counts what is the same."""

    def __init__(self) -> None:
        self._plans = self._identical = self._cut = 0
        self._differences: list[Difference] = []
        self._incomplete: list[str] = []

    def check_complete(self, recorded: dict[int, Plan], stream: Sequence[Message]) -> None:
        """Note what is missing between the first and the last plan of an epoch."""
        plans = list(recorded.values())
        epoch = plans[0].epoch
        missing = plans[-1].sequence - len(plans)
        if missing:
            self._incomplete.append(f"epoch {epoch}: {missing} of {plans[-1].sequence} plans are not in the recording")
        first, last = plans[0].answers_sequence, plans[-1].answers_sequence
        there = {m.sequence for m in stream if isinstance(m, Observation) and first <= m.sequence <= last}
        missing = last - first + 1 - len(there)
        if missing:
            self._incomplete.append(f"epoch {epoch}: {missing} observations are not in the recording")

    def add(self, recorded: Plan, replayed: Plan) -> None:
        if recorded.status == Status.DEADLINE:
            self._cut += 1
            return
        self._plans += 1
        found = differences(recorded, replayed)
        self._identical += not found
        self._differences += found[: max(0, _NAMED - len(self._differences))]

    def report(self) -> ReplayReport:
        return ReplayReport(self._plans, self._identical, tuple(self._differences), self._cut, tuple(self._incomplete))


@final
class _ScriptedSolver(Solver):
    """A solver that fails where the recorded one was cut by its deadline."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver
        self.problem, self.build_s, self.from_cache = solver.problem, solver.build_s, solver.from_cache
        self.is_cut = False

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        if self.is_cut:
            return _cut(guess, self.problem.dynamics.manifold.ndx)
        return self._solver.solve(x0, parameters, reference, guess, NO_DEADLINE)

    def load_residual(self, residual: Residual) -> None:
        self._solver.load_residual(residual)

    def reset(self) -> None:
        self._solver.reset()


def _cut(guess: Trajectory, ndx: int) -> Solution:
    n, nu = guess.controls.shape
    none = Residuals(np.inf, np.inf, np.inf, np.inf)
    gains, multipliers = np.zeros((n, nu, ndx)), np.zeros((n + 1, 0))
    return Solution(Status.DEADLINE, guess, gains, multipliers, np.inf, none, 0, 0, "", np.inf, 0.0, 0)
