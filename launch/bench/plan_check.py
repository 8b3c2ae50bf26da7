"""An independent look at a plan: what it costs, and how far it misses dynamics and constraints."""

from __future__ import annotations

from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.problem.constraint import Constraint
from mpc_controller.problem.cost import Cost, LeastSquares, cost_expression
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage
from mpc_controller.solvers.trajectory import Trajectory


@final
class PlanCheck:
    """The terms of a problem as plain functions, at the nominal parameters; knows nothing of any solver's transcription.

    For problems in Euclidean coordinates whose constraints are all hard, without a reference: those of the benchmark.
    """

    def __init__(self, problem: OptimalControlProblem) -> None:
        d, N = problem.dynamics, problem.N
        x, u, dt = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu), ca.SX.sym("dt")
        p = ca.SX(problem.parameters.values)
        stage = problem.stage(x, u, p, ca.SX(0, 1))
        path = dt * total_cost(problem.path_costs, stage)
        rows = [(c, c.expression(stage)) for c in problem.path_constraints]
        mixed = [(c, g) for c, g in rows if ca.depends_on(g, u)]
        on_states = [(c, g) for c, g in rows if not ca.depends_on(g, u)]
        at_end = [(c, c.expression(stage)) for c in problem.terminal_constraints]
        following = problem.integrator.step(d, x, u, p[: d.np], dt)
        self._grid = np.array(problem.grid)
        self._step = ca.Function("step", [x, u, dt], [following, path])
        self._steps = self._step.map(N)
        self._end = ca.Function("end", [x], [total_cost(problem.terminal_costs, stage)])
        self._excess = (
            (slice(0, N), ca.Function("mixed", [x, u], [_excess(mixed)]).map(N)),
            (slice(1, N + 1), ca.Function("states", [x, u], [_excess(on_states)]).map(N)),
            (slice(N, N + 1), ca.Function("end_rows", [x, u], [_excess(at_end)])),
        )

    def step(self, x: Array, u: Array) -> tuple[Array, float]:
        """The model's next state from x under u, and the cost of the first interval."""
        following, cost = self._step(x, u, self._grid[0])
        return np.asarray(following).ravel(), float(cost)

    def __call__(self, plan: Trajectory) -> tuple[float, float]:
        """Objective, and the largest violation of dynamics and constraints."""
        X, U = plan.states.T, plan.controls.T
        following, costs = self._steps(X[:, :-1], U, self._grid[None, :])
        violation = float(np.abs(np.asarray(following) - X[:, 1:]).max())
        padded = np.hstack([U, U[:, -1:]])  # no row at the end depends on a control
        for points, excess in self._excess:
            missed = np.asarray(excess(X[:, points], padded[:, points]))
            violation = max(violation, float(missed.max(initial=0.0)))
        return float(np.asarray(costs).sum()) + float(self._end(X[:, -1])), violation


def total_cost(costs: tuple[Cost, ...], stage: Stage) -> ca.SX:
    """½ rᵀ W r of the least-squares terms, plus the values of the others."""
    total = ca.SX(0)
    for cost in costs:
        value = cost_expression(cost, stage)
        total += ca.dot(value, ca.DM(cost.weights) * value) / 2 if isinstance(cost, LeastSquares) else value
    return total


def _excess(rows: list[tuple[Constraint, ca.SX]]) -> ca.SX:
    """By how much each finite bound is passed; negative inside."""
    sides = []
    for constraint, g in rows:
        for i, (low, high) in enumerate(zip(constraint.lower, constraint.upper, strict=True)):
            sides += [bound for bound, finite in ((low - g[i], np.isfinite(low)), (g[i] - high, np.isfinite(high))) if finite]
    return ca.vertcat(*sides)
