"""The two phases of a real-time iteration of multiple shooting, and what a call costs that has next to nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import casadi as ca
import numpy as np

from launch.bench.measure import NOISE_SEED, Effort
from launch.bench.pinned import pinned
from launch.bench.plan_check import PlanCheck
from launch.bench.problems.reference_problem import ReferenceProblem
from launch.bench.stopwatch import Stopwatch
from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.trajectory import Trajectory

_CALLS = 2000


@final
@dataclass
class _Times:
    """Of the steps of a loop [µs], and the sweeps of their programmes."""

    watch: Stopwatch = field(default_factory=Stopwatch)
    preparation: list[float] = field(default_factory=list)
    feedback: list[float] = field(default_factory=list)
    sweeps: list[int] = field(default_factory=list)


def phase_rows(cases: Sequence[ReferenceProblem], effort: Effort, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Medians [µs] of preparation and feedback in the closed loops, each a call of its own, and of an almost empty call."""
    empty_us = _empty_call_us(progress)
    rows = []
    for case in cases:
        progress(f"{case.name}: phases")
        times = _Times()
        solver, check, noise = MultipleShooting(case.problem, report=progress), PlanCheck(case.problem), _noise()
        with pinned():
            for state in case.start_states()[: effort.episodes]:
                _episode(case, solver, check, state, noise, times, min(case.steps, effort.steps))
        rows.append(
            {
                "problem": case.name,
                "preparation_us": float(np.median(times.preparation)),
                "feedback_us": float(np.median(times.feedback)),
                "feedback_p99_us": float(np.percentile(times.feedback, 99)),
                "sweeps": float(np.mean(times.sweeps)),
                "empty_call_us": empty_us,
            }
        )
    return rows


def _noise() -> np.random.Generator:
    return np.random.default_rng(NOISE_SEED)


def _episode(
    case: ReferenceProblem,
    solver: MultipleShooting,
    check: PlanCheck,
    state: Array,
    noise: np.random.Generator,
    times: _Times,
    steps: int,
) -> None:
    """The closed loop of measure.py in two phases; the first step, from a cold start, is not timed."""
    parameters, reference = case.problem.parameters.values, np.zeros((case.problem.N + 1, 0))
    solver.reset()
    guess = case.cold_guess(state)
    for k in range(steps):
        times.watch.start()
        solver.prepare(parameters, reference, guess)
        preparation = times.watch.stop()
        times.watch.start()
        solution = solver.feedback(state)
        feedback = times.watch.stop()
        if k:
            times.preparation.append(preparation)
            times.feedback.append(feedback)
            times.sweeps.append(solution.qp_iterations)
        guess = solution.trajectory
        following, _ = check.step(state, guess.controls[0])
        state = case.normalized(following + noise.uniform(-1, 1, len(state)) * case.noise)


@final
class _Integrator(Dynamics):
    """ẋ = u: as little to compute as a model can have."""

    name = "integrator"
    state_names, state_units = ("x",), ("m",)
    control_names, control_units = ("u",), ("m/s",)
    manifold = Euclidean(1)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return u


def _empty_call_us(progress: Callable[[str], None]) -> float:
    """Median time of a real-time iteration with one state, one control and one interval: what Python and the call take."""
    cost = LeastSquares("cost", lambda stage: ca.vertcat(stage.x, stage.u), (1.0, 1.0))
    problem = OptimalControlProblem("one-interval", _Integrator(), RungeKutta4(), (0.1,), (cost,))
    solver = MultipleShooting(problem, report=progress)
    nodes = np.rint(problem.times * 1e9).astype(np.int64)
    guess = Trajectory.constant(problem.dynamics.manifold, nodes, np.ones(1), np.zeros(1))
    state, parameters, reference = np.ones(1), problem.parameters.values, np.zeros((2, 0))
    watch, micros = Stopwatch(), []
    with pinned():
        for _ in range(_CALLS):
            watch.start()
            solver.solve(state, parameters, reference, guess)
            micros.append(watch.stop())
    return float(np.median(micros[1:]))
