"""A problem as one nonlinear programme in CasADi's terms, written down stage by stage."""

from __future__ import annotations

from typing import final

import casadi as ca
import numpy as np

from launch.bench.plan_check import total_cost
from mpc_controller.arrays import Array
from mpc_controller.problem.constraint import Constraint
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage


@final
class TextbookTerms:
    """min f(w), lower ≤ w ≤ upper, lower_rows ≤ g(w) ≤ upper_rows with w = (x_0, u_0, x_1 … x_N).

    A constraint whose rows are entries of x or u is a bound on w, any other one is rows of g behind the dynamics of its stage.
    """

    def __init__(self, problem: OptimalControlProblem) -> None:
        d = problem.dynamics
        x, u = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu)
        p = ca.SX(problem.parameters.values)
        stage = problem.stage(x, u, p, ca.SX(0, 1))
        self._size = d.nx + d.nu
        self._bounded = [(c, where) for c in problem.path_constraints if (where := _entries(c, stage)) is not None]
        self._general = [c for c in problem.path_constraints if all(c is not bounded for bounded, _ in self._bounded)]
        self._rows = ca.Function("g", [x], [ca.vertcat(*(c.expression(stage) for c in self._general))])
        self._cost = ca.Function("l", [x, u], [total_cost(problem.path_costs, stage)])
        self._end = ca.Function("m", [x], [total_cost(problem.terminal_costs, stage)])
        dt = problem.grid[0]
        self._step = ca.Function("F", [x, u], [problem.integrator.step(d, x, u, p[: d.np], ca.SX(dt))])
        self._assemble(problem, dt)

    def _assemble(self, problem: OptimalControlProblem, dt: float) -> None:
        N, nx, nu = problem.N, problem.dynamics.nx, problem.dynamics.nu
        states = [ca.MX.sym(f"x_{k}", nx) for k in range(N + 1)]
        controls = [ca.MX.sym(f"u_{k}", nu) for k in range(N)]
        low = np.array([bound for c in self._general for bound in c.lower])
        high = np.array([bound for c in self._general for bound in c.upper])
        lower, upper, rows, lower_rows, upper_rows, variables = [], [], [], [], [], []
        cost = self._end(states[N])
        self.is_equality: list[bool] = []
        for k in range(N + 1):
            bounds = self._bounds()
            variables.append(states[k])
            lower.append(bounds[0][:nx])
            upper.append(bounds[1][:nx])
            if k < N:
                variables.append(controls[k])
                lower.append(bounds[0][nx:])
                upper.append(bounds[1][nx:])
                cost += dt * self._cost(states[k], controls[k])
                rows.append(states[k + 1] - self._step(states[k], controls[k]))
                lower_rows.append(np.zeros(nx))
                upper_rows.append(np.zeros(nx))
                self.is_equality += [True] * nx
            if k > 0 and self._general:
                rows.append(self._rows(states[k]))
                lower_rows.append(low)
                upper_rows.append(high)
                self.is_equality += [False] * len(low)
        self.programme = {"x": ca.vertcat(*variables), "f": cost, "g": ca.vertcat(*rows)}
        self.lower, self.upper = np.concatenate(lower), np.concatenate(upper)
        self.lower_rows, self.upper_rows = np.concatenate(lower_rows), np.concatenate(upper_rows)

    def _bounds(self) -> tuple[Array, Array]:
        """Of one stage's (x, u)."""
        lower, upper = np.full(self._size, -np.inf), np.full(self._size, np.inf)
        for constraint, where in self._bounded:
            lower[where], upper[where] = constraint.lower, constraint.upper
        return lower, upper


def _entries(constraint: Constraint, stage: Stage) -> list[int] | None:
    """The positions in (x, u) that a constraint bounds; None where it is more than bounds."""
    J = ca.jacobian(constraint.expression(stage), ca.vertcat(stage.x, stage.u))
    if not J.is_constant() or J.nnz() != J.shape[0]:
        return None
    return [int(np.flatnonzero(row)[0]) for row in np.asarray(ca.DM(J))]
