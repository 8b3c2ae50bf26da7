"""Cold solves and closed loops of one solver on one problem."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np

from launch.bench.pinned import pinned
from launch.bench.plan_check import PlanCheck
from launch.bench.problems.reference_problem import ReferenceProblem
from launch.bench.row import Mode
from launch.bench.stopwatch import Stopwatch
from mpc_controller.arrays import Array
from mpc_controller.solvers.solution import Solution, Status
from mpc_controller.solvers.solver import Solver
from mpc_controller.solvers.trajectory import Trajectory

_WARM_UP = 2
NOISE_SEED = 1  # the same disturbances for every solver


@final
@dataclass(frozen=True)
class Effort:
    """How much a row may cost: repetitions of a cold solve, episodes and steps of a loop (at most the problem's own), seconds
    for the row, and seconds for one solve, which ends then with a failure."""

    repetitions: int = 15
    episodes: int = 100
    steps: int = 1000
    row_s: float = 10.0
    solve_s: float = 20.0


@final
@dataclass
class Record:
    """What was seen: times of the counted calls [µs], their solutions, cost of each finished episode, failures among `solves`
    and how the last of them ended."""

    watch: Stopwatch = field(default_factory=Stopwatch)
    micros: list[float] = field(default_factory=list)
    plans: list[Solution] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    failures: int = 0
    solves: int = 0
    last_failure: str = ""


@final
class Bench:
    """One problem, ready to be solved by anybody. `progress` hears how far a row is."""

    def __init__(self, case: ReferenceProblem, effort: Effort, progress: Callable[[str], None]) -> None:
        self.case, self.effort = case, effort
        self.check = PlanCheck(case.problem)
        self._progress = progress
        self._parameters = case.problem.parameters.values
        self._reference = np.zeros((case.problem.N + 1, 0))

    def cold(self, solver: Solver) -> Record:
        """From the problem's start to convergence, again and again, forgetting in between."""
        state, record = self.case.initial_state, Record()
        self._warm_up(solver)
        with pinned():
            until = time.monotonic() + self.effort.row_s
            for k in range(self.effort.repetitions):
                solver.reset()
                self._solve(solver, state, self.case.cold_guess(state), record, to_convergence=True)
                self._progress(f"solve {k + 1} of {self.effort.repetitions}")
                if time.monotonic() > until:
                    break
        return record

    def loop(self, solver: Solver, mode: Mode) -> Record:
        """Episodes in which the plant takes the first control of every plan. The first solve of an episode, from a cold start,
        is not timed; each other one starts from the plan before it."""
        record, noise = Record(), np.random.default_rng(NOISE_SEED)
        self._warm_up(solver)
        with pinned():
            until = time.monotonic() + self.effort.row_s
            for state in self.case.start_states()[: self.effort.episodes]:
                cost = self._episode(solver, mode, state, noise, record, until)
                if cost is None:
                    break
                record.costs.append(cost)
        return record

    def _episode(
        self, solver: Solver, mode: Mode, state: Array, noise: np.random.Generator, record: Record, until: float
    ) -> float | None:
        """The path cost along the plant's way; None when time ran out before its end."""
        case, cost = self.case, 0.0
        steps = min(case.steps, self.effort.steps)
        guess = case.cold_guess(state)
        solver.reset()
        for k in range(steps):
            if time.monotonic() > until:
                return None
            solution = self._solve(solver, state, guess, record, to_convergence=mode is Mode.WARM, timed=k > 0)
            if solution.is_usable:
                guess = solution.trajectory
            following, step_cost = self.check.step(state, solution.trajectory.controls[0])
            cost += step_cost
            state = case.normalized(following + noise.uniform(-1, 1, len(state)) * case.noise)
            self._progress(f"episode {len(record.costs) + 1} of {case.episodes}, step {k + 1} of {steps}")
        return cost

    def _solve(
        self,
        solver: Solver,
        state: Array,
        guess: Trajectory,
        record: Record,
        *,
        to_convergence: bool,
        timed: bool = True,
    ) -> Solution:
        deadline_ns = time.monotonic_ns() + round(self.effort.solve_s * 1e9)
        record.watch.start()
        solution = solver.solve(state, self._parameters, self._reference, guess, deadline_ns)
        micros = record.watch.stop()
        record.solves += 1
        if not (solution.status is Status.CONVERGED if to_convergence else solution.is_usable):
            record.failures += 1
            record.last_failure = solution.status.name
        if timed:
            record.micros.append(micros)
            record.plans.append(solution)
        return solution

    def _warm_up(self, solver: Solver) -> None:
        """Calls that nobody counts: pages, caches and branch predictors."""
        state = self.case.initial_state
        solver.reset()
        for _ in range(_WARM_UP):
            self._solve(solver, state, self.case.cold_guess(state), Record(), to_convergence=True)
