"""What a plan costs, what it misses and what it lacks of an optimum, by differentiation of the plain terms.

Knows nothing of any solver but the names of the rows, `<constraint>[i]`. Per stage of the horizon, with the step x⁺ = F(x, u),

    H = dt l + μᵀ g + πᵀ F,    π_k = ∂H/∂x,    and ∂H/∂u = 0 at an optimum,

in ambient coordinates: F scales quaternions to unit length, so that what lies off the sphere changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.problem.constraint import Constraint
from mpc_controller.problem.cost import Cost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage
from mpc_controller.solvers.solution import Solution
from tests.solvers.test_collocation import BUTCHER


@dataclass(frozen=True)
class Row:
    """One row of a constraint at one grid point, with its multiplier."""

    name: str
    value: float
    lower: float
    upper: float
    prices: tuple[float, float] | None
    multiplier: float

    @property
    def excess(self) -> float:
        """By how much it passes a bound."""
        return max(0.0, self.lower - self.value, self.value - self.upper)

    @property
    def complementarity(self) -> float:
        """What is left of μ · (distance to the side that μ presses), and of |l1 + l2 e − μ| e of a soft row, against 1 + μ."""
        size = abs(self.multiplier)
        bound = self.upper if self.multiplier > 0 else self.lower
        product = size * max(0.0, abs(self.value - bound) - self.excess) if size else 0.0
        if self.prices is not None:
            product = max(product, abs(self.prices[0] + self.prices[1] * self.excess - size) * self.excess)
        return product / (1 + size)


@dataclass(frozen=True)
class Found:
    """The findings on one plan. `scale` is what stationarity is measured against."""

    cost: float
    dynamics: float
    stationarity: float
    scale: float
    rows: tuple[Row, ...]


@final
class OptimalityCheck:
    """Of plans for one problem, whose intervals are those of `step`: (x, u, p, dt) → x⁺."""

    def __init__(self, problem: OptimalControlProblem, step: ca.Function) -> None:
        d = problem.dynamics
        x, u, dt = ca.MX.sym("x", d.nx), ca.MX.sym("u", d.nu), ca.MX.sym("dt")
        p, r = ca.MX.sym("p", len(problem.parameters)), ca.MX.sym("r", problem.nr)
        on_controls = [c for c in problem.path_constraints if _depends_on_controls(problem, c)]
        on_states = [c for c in problem.path_constraints if c not in on_controls]
        self._problem = problem
        # The rows of k = 0, of 0 < k < N, and of N.
        self._rows = (on_controls, [*on_controls, *on_states], [*on_states, *problem.terminal_constraints])
        self._stages = []
        for kind, constraints in enumerate(self._rows):
            costs, following = (problem.path_costs, step(x, u, p[: d.np], dt)) if kind < 2 else (problem.terminal_costs, x)
            cost, g = _terms(problem, costs, constraints)(x, u, p, r)
            mu, pi = ca.MX.sym("mu", g.shape[0]), ca.MX.sym("pi", d.nx)
            hamiltonian = dt * cost + ca.dot(mu, g) + ca.dot(pi, following)
            gradients = [ca.gradient(hamiltonian, u), ca.gradient(hamiltonian, x)]
            self._stages.append(ca.Function("stage", [x, u, p, r, dt, mu, pi], [following, dt * cost, g, *gradients]))

    def __call__(
        self, solution: Solution, multipliers_of: Callable[[Solution, int], dict[str, float]], p: Array, reference: Array
    ) -> Found:
        """Multipliers of stage k are taken by name from multipliers_of(solution, k)."""
        problem, plan, N = self._problem, solution.trajectory, self._problem.N
        controls = np.vstack([plan.controls, np.zeros(problem.dynamics.nu)])
        pi = np.zeros(problem.dynamics.nx)
        cost, gap, stationarity, prices, forces = 0.0, 0.0, 0.0, 0.0, []
        rows: list[Row] = []
        for k in range(N, -1, -1):
            kind = 0 if k == 0 else 2 if k == N else 1
            named, names = multipliers_of(solution, k), self._names(kind)
            mu = np.array([named[name] for name, _, _ in names])
            point = (plan.states[k], controls[k], p, reference[k], problem.grid[k] if k < N else 1.0)
            outputs = self._stages[kind](*point, mu, pi)
            following, value, g, by_u, by_x = (np.asarray(output).ravel() for output in outputs)
            cost += float(value[0])
            if k < N:
                gap = max(gap, float(np.abs(problem.dynamics.manifold.difference(following, plan.states[k + 1])).max()))
                stationarity = max(stationarity, float(np.abs(by_u).max()))
            pi = by_x
            forces += [*np.abs(pi), *np.abs(mu)]
            for (name, constraint, i), row_value, multiplier in zip(names, g, mu, strict=True):
                row = self._row(f"{name} at k={k}", constraint, i, p, float(row_value), float(multiplier))
                rows.append(row)
                if row.prices is not None:
                    prices += row.prices[0] * row.excess + row.prices[1] / 2 * row.excess**2
        return Found(cost + prices, gap, stationarity, max(1.0, float(np.mean(forces)) / 100), tuple(rows))

    def _names(self, kind: int) -> list[tuple[str, Constraint, int]]:
        return [(f"{c.name}[{i}]", c, i) for c in self._rows[kind] for i in range(len(c.lower))]

    def _row(self, name: str, constraint: Constraint, i: int, p: Array, value: float, multiplier: float) -> Row:
        table = self._problem.parameters

        def parameter(which: str) -> float:
            return float(p[table.index(f"{which}.{constraint.name}")])

        prices = None if constraint.soft is None else (parameter("soft_l1"), parameter("soft_l2"))
        low, high = (float(p[table.index(f"{side}.{constraint.name}[{i}]")]) for side in ("lower", "upper"))
        return Row(name, value, low, high, prices, multiplier)


def integrator_step(problem: OptimalControlProblem) -> ca.Function:
    """The step of the problem's own integrator."""
    x, u, p, dt = _symbols(problem.dynamics)
    following = problem.integrator.step(problem.dynamics, x, u, p, dt)
    return ca.Function("F", [x, u, p, dt], [_on_the_manifold(problem.dynamics, following)])


def radau_step(problem: OptimalControlProblem, scheme: str = "radau-3") -> ca.Function:
    """One step of a Radau IIA method, its stages found by a general root finder: w_i = x + dt Σ_j a_ij f(w_j, u)."""
    d, A = problem.dynamics, BUTCHER[scheme]
    x, u, p, dt = _symbols(d)
    w = ca.SX.sym("w", d.nx, len(A))
    rates = ca.horzcat(*(d.xdot(w[:, j], u, p) for j in range(len(A))))
    equations = ca.vec(w - ca.repmat(x, 1, len(A)) - dt * rates @ A.T)
    given = ca.vertcat(x, u, p, dt)
    stages = ca.rootfinder("stages", "newton", {"x": ca.vec(w), "p": given, "g": equations}, {"abstol": 1e-13})
    X, U, P, T = (ca.MX.sym(name, size) for name, size in (("x", d.nx), ("u", d.nu), ("p", d.np), ("dt", 1)))
    found = stages(x0=ca.repmat(X, len(A), 1), p=ca.vertcat(X, U, P, T))["x"]
    return ca.Function("F", [X, U, P, T], [_on_the_manifold(d, found[-d.nx :])])


def _symbols(d: Dynamics) -> tuple[ca.SX, ca.SX, ca.SX, ca.SX]:
    return ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu), ca.SX.sym("p", d.np), ca.SX.sym("dt")


def _on_the_manifold(d: Dynamics, x: ca.SX | ca.MX) -> ca.SX | ca.MX:
    """The state with its quaternions scaled to unit length."""
    parts = list(ca.vertsplit(x))
    for start in d.manifold.quaternions:
        length = ca.norm_2(ca.vertcat(*parts[start : start + 4]))
        parts[start : start + 4] = [part / length for part in parts[start : start + 4]]
    return ca.vertcat(*parts)


def _terms(problem: OptimalControlProblem, costs: tuple[Cost, ...], constraints: list[Constraint]) -> ca.Function:
    """(x, u, p, r) → the sum of the costs, and the constraints' rows."""
    x, u, _, _ = _symbols(problem.dynamics)
    p, r = ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("r", problem.nr)
    stage = problem.stage(x, u, p, r)
    total = sum((_cost(cost, stage) for cost in costs), ca.SX(0))
    return ca.Function("terms", [x, u, p, r], [total, ca.vertcat(ca.SX(0, 1), *(c.expression(stage) for c in constraints))])


def _cost(cost: Cost, stage: Stage) -> ca.SX:
    if not isinstance(cost, LeastSquares):
        return cost.value(stage)
    weights = ca.vertcat(*(stage.parameters[f"weight.{cost.name}[{i}]"] for i in range(len(cost.weights))))
    return ca.dot(weights, cost.residual(stage) ** 2) / 2


def _depends_on_controls(problem: OptimalControlProblem, constraint: Constraint) -> bool:
    x, u, _, _ = _symbols(problem.dynamics)
    p, r = ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("r", problem.nr)
    return bool(ca.depends_on(constraint.expression(problem.stage(x, u, p, r)), u))
