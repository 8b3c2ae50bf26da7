"""A second opinion on optimal control problems: an independent transcription solved with IPOPT, and a plain evaluation.

Multiple shooting over the states x_1..x_N in ambient coordinates, controls u_0..u_{N-1} and one slack e ≥ 0 for every soft row,

    min Σ_k dt_k Σ_j l_j(x_k, u_k) + Σ_j m_j(x_N) + Σ (l1 e + ½ l2 e²)
    s.t. x_{k+1} = Π F(x_k, u_k, p, dt_k),   lower − e ≤ g ≤ upper + e

where Π scales quaternions to unit length, as a solver on the manifold does by construction. The price of a slack does not
depend on dt.
"""

from __future__ import annotations

from dataclasses import dataclass

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.problem.constraint import Constraint
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem

_OPTIONS = {
    "print_time": False,
    "ipopt.print_level": 0,
    "ipopt.sb": "yes",
    "ipopt.tol": 1e-9,
    "ipopt.max_iter": 2000,
    "ipopt.bound_relax_factor": 0.0,  # the default lets bounds be passed by 1e-8 of their size
}


class IpoptError(RuntimeError):
    """IPOPT ended without an optimum."""


@dataclass(frozen=True)
class _Functions:
    """The terms of a problem as functions of (x, u, p, r), and the step of (x, u, p, dt)."""

    step: ca.Function
    path_cost: ca.Function
    terminal_cost: ca.Function
    constraints: tuple[tuple[Constraint, ca.Function, tuple[int, ...]], ...]  # with the grid points where each holds


def _functions(problem: OptimalControlProblem) -> _Functions:
    d = problem.dynamics
    x, u = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu)
    p, r, dt = ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("r", problem.nr), ca.SX.sym("dt")
    stage = problem.stage(x, u, p, r)

    def total(costs: tuple[object, ...]) -> ca.SX:
        value = ca.SX(0)
        for cost in costs:
            if isinstance(cost, LeastSquares):
                residual = cost.residual(stage)
                for i in range(len(cost.weights)):
                    value += 0.5 * stage.parameters[f"weight.{cost.name}[{i}]"] * residual[i] ** 2
            else:
                value += cost.value(stage)
        return value

    constraints = []
    for constraint in (*problem.path_constraints, *problem.terminal_constraints):
        g = constraint.expression(stage)
        if constraint in problem.terminal_constraints:
            points = (problem.N,)
        elif ca.depends_on(g, u):
            points = tuple(range(problem.N))
        else:
            points = tuple(range(1, problem.N + 1))
        constraints.append((constraint, ca.Function("g", [x, u, p, r], [g]), points))
    following = problem.integrator.step(d, x, u, p[: d.np], dt)
    for start in d.manifold.quaternions:
        block = following[start : start + 4]
        following[start : start + 4] = block / ca.norm_2(block)
    return _Functions(
        ca.Function("F", [x, u, p, dt], [following]),
        ca.Function("l", [x, u, p, r], [total(problem.path_costs)]),
        ca.Function("m", [x, u, p, r], [total(problem.terminal_costs)]),
        tuple(constraints),
    )


def _bounds(problem: OptimalControlProblem, constraint: Constraint, parameters: Array) -> tuple[Array, Array]:
    """The bounds of a constraint's rows, as the run-time parameters have them."""
    table, rows = problem.parameters, range(len(constraint.lower))
    lower = np.array([parameters[table.index(f"lower.{constraint.name}[{i}]")] for i in rows])
    upper = np.array([parameters[table.index(f"upper.{constraint.name}[{i}]")] for i in rows])
    return lower, upper


class IpoptTranscription:
    """A problem as an NLP, built once and solved for many states, parameters and references."""

    def __init__(self, problem: OptimalControlProblem, *, initial_barrier: float = 0.1) -> None:
        """A small `initial_barrier` keeps the iteration near its start: with IPOPT's own it leaves one optimum for another."""
        self.problem = problem
        d, N = problem.dynamics, problem.N
        f = _functions(problem)
        X, U, x0 = ca.MX.sym("X", d.nx, N), ca.MX.sym("U", d.nu, N), ca.MX.sym("x0", d.nx)
        p, R = ca.MX.sym("p", len(problem.parameters)), ca.MX.sym("R", problem.nr, N + 1)
        x = [x0, *ca.horzsplit(X)]
        u = [*ca.horzsplit(U), ca.MX.zeros(d.nu)]
        cost = f.terminal_cost(x[N], u[N], p, R[:, N])
        rows: list[ca.MX] = []
        for k, dt in enumerate(problem.grid):
            cost += dt * f.path_cost(x[k], u[k], p, R[:, k])
            rows.append(x[k + 1] - f.step(x[k], u[k], p, dt))
        slacks: list[ca.MX] = []
        for constraint, g, points in f.constraints:
            for k in points:
                value = g(x[k], u[k], p, R[:, k])
                if constraint.soft is None:
                    rows.append(value)
                    continue
                e = ca.MX.sym("e", len(constraint.lower))
                cost += constraint.soft.l1 * ca.sum1(e) + 0.5 * constraint.soft.l2 * ca.sumsqr(e)
                rows += [value + e, value - e]
                slacks.append(e)
        self._constraints = [(constraint, len(points)) for constraint, _, points in f.constraints]
        self._slacks = sum(e.numel() for e in slacks)
        variables = ca.vertcat(ca.vec(X), ca.vec(U), *slacks)
        nlp = {"x": variables, "p": ca.vertcat(x0, p, ca.vec(R)), "f": cost, "g": ca.vertcat(*rows)}
        self._solver = ca.nlpsol("reference", "ipopt", nlp, {**_OPTIONS, "ipopt.mu_init": initial_barrier})

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: tuple[Array, Array] | None = None
    ) -> tuple[Array, Array, float]:
        """States (N+1, nx), controls (N, nu) and cost of a local optimum; `guess` is states and controls to start from.

        Raises IpoptError where there is none.
        """
        N, nx, nu = self.problem.N, self.problem.dynamics.nx, self.problem.dynamics.nu
        states, controls = guess if guess is not None else (np.tile(x0, (N + 1, 1)), np.zeros((N, nu)))
        lower, upper = self._row_bounds(parameters)
        free = np.full(N * (nx + nu), -np.inf)
        solution = self._solver(
            x0=np.concatenate([states[1:].ravel(), controls.ravel(), np.zeros(self._slacks)]),
            p=np.concatenate([x0, parameters, reference.ravel()]),
            lbx=np.concatenate([free, np.zeros(self._slacks)]),
            lbg=lower,
            ubg=upper,
        )
        if not self._solver.stats()["success"]:
            raise IpoptError(f"problem '{self.problem.name}': {self._solver.stats()['return_status']}")
        z = np.asarray(solution["x"]).ravel()
        later = z[: N * nx].reshape(N, nx)
        return np.vstack([x0, later]), z[N * nx : N * (nx + nu)].reshape(N, nu), float(solution["f"])

    def _row_bounds(self, parameters: Array) -> tuple[Array, Array]:
        dynamics = np.zeros(self.problem.N * self.problem.dynamics.nx)
        lower, upper = [dynamics], [dynamics]
        for constraint, points in self._constraints:
            low, high = _bounds(self.problem, constraint, parameters)
            free = np.full(len(low), np.inf)
            lower += [low] * points if constraint.soft is None else [low, -free] * points
            upper += [high] * points if constraint.soft is None else [free, high] * points
        return np.concatenate(lower), np.concatenate(upper)


def solve_with_ipopt(
    problem: OptimalControlProblem,
    x0: Array,
    parameters: Array,
    reference: Array,
    guess: tuple[Array, Array] | None = None,
) -> tuple[Array, Array, float]:
    """States (N+1, nx), controls (N, nu) and cost of a local optimum from x0, near a guess; see IpoptTranscription.solve."""
    return IpoptTranscription(problem, initial_barrier=0.1 if guess is None else 1e-5).solve(x0, parameters, reference, guess)


def evaluate(
    problem: OptimalControlProblem, states: Array, controls: Array, parameters: Array, reference: Array
) -> tuple[float, float]:
    """The cost of a trajectory with the price of its soft violations, and the largest violation of what is hard.

    The dynamics' gaps are measured in the tangent space.
    """
    f = _functions(problem)
    N, manifold = problem.N, problem.dynamics.manifold
    u = np.vstack([controls, np.zeros(problem.dynamics.nu)])
    cost = float(f.terminal_cost(states[N], u[N], parameters, reference[N]))
    violation = 0.0
    for k, dt in enumerate(problem.grid):
        cost += dt * float(f.path_cost(states[k], u[k], parameters, reference[k]))
        following = np.asarray(f.step(states[k], u[k], parameters, dt)).ravel()
        violation = max(violation, float(np.abs(manifold.difference(following, states[k + 1])).max()))
    for constraint, g, points in f.constraints:
        lower, upper = _bounds(problem, constraint, parameters)
        for k in points:
            value = np.asarray(g(states[k], u[k], parameters, reference[k])).ravel()
            excess = np.maximum(0.0, np.maximum(lower - value, value - upper))
            if constraint.soft is None:
                violation = max(violation, float(excess.max()))
            else:
                cost += constraint.soft.l1 * float(excess.sum()) + 0.5 * constraint.soft.l2 * float(excess @ excess)
    return cost, violation
