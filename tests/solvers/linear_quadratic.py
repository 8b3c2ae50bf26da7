"""Random constrained linear-quadratic problems, and their solution by a trusted dense QP solver."""

from __future__ import annotations

from dataclasses import dataclass, replace

import casadi as ca
import numpy as np
import piqp
import pytest
import scipy.linalg

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import ExplicitEuler
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds
from mpc_controller.problem.cost import GeneralCost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.solution import Solution


class LinearDynamics(Dynamics):
    """ẋ = (A − I) x + B u + c, whose explicit Euler step of 1 s is x⁺ = A x + B u + c; A, B, c are the parameters."""

    def __init__(self, nx: int, nu: int) -> None:
        self.name = "linear"
        self.state_names = tuple(f"x{i}" for i in range(nx))
        self.state_units = ("",) * nx
        self.control_names = tuple(f"u{i}" for i in range(nu))
        self.control_units = ("",) * nu
        self.manifold = Euclidean(nx)
        names = [f"A{i}_{j}" for i in range(nx) for j in range(nx)]
        names += [f"B{i}_{j}" for i in range(nx) for j in range(nu)] + [f"c{i}" for i in range(nx)]
        self.parameters = Parameters(tuple(Parameter(n, 0.0, "") for n in names))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        nx, nu = self.nx, self.nu
        A = ca.reshape(p[: nx * nx], nx, nx).T
        B = ca.reshape(p[nx * nx : nx * (nx + nu)], nu, nx).T
        return A @ x - x + B @ u + p[nx * (nx + nu) :]


@dataclass(frozen=True)
class Instance:
    """Numbers of one problem: dynamics A, B, c; ½ zᵀ diag(W) z + linear cost; C x + D u in [low, high]; |u| ≤ umax."""

    A: Array
    B: Array
    c: Array
    Q: Array
    R: Array
    q: Array
    x0: Array
    C: Array
    D: Array
    low: Array
    high: Array
    umax: float
    N: int
    soft: tuple[float, float] | None

    def parameters(self, problem: OptimalControlProblem) -> Array:
        values = np.concatenate([self.A.ravel(), self.B.ravel(), self.c, self.q, self.C.ravel(), self.D.ravel()])
        p = problem.parameters.values
        p[: len(values)] = values
        changes = {"weight.state": self.Q, "weight.control": self.R, "weight.end": self.Q}
        changes |= {"lower.rows": self.low, "upper.rows": self.high}
        changes |= {"lower.control": np.full(len(self.R), -self.umax), "upper.control": np.full(len(self.R), self.umax)}
        for name, entries in changes.items():
            start = problem.parameters.index(f"{name}[0]")
            p[start : start + len(entries)] = entries
        if self.soft:
            p[problem.parameters.index("soft_l1.rows")], p[problem.parameters.index("soft_l2.rows")] = self.soft
        return p


def linear_problem(nx: int, nu: int, rows: int, N: int, *, soft: bool) -> OptimalControlProblem:
    """The problem whose instances differ by parameters only."""
    dynamics = LinearDynamics(nx, nu)
    names = [f"q{i}" for i in range(nx)] + [f"C{i}_{j}" for i in range(rows) for j in range(nx)]
    names += [f"D{i}_{j}" for i in range(rows) for j in range(nu)]

    def row_values(stage):
        C = ca.vertcat(*(ca.horzcat(*(stage.parameters[f"C{i}_{j}"] for j in range(nx))) for i in range(rows)))
        D = ca.vertcat(*(ca.horzcat(*(stage.parameters[f"D{i}_{j}"] for j in range(nu))) for i in range(rows)))
        return C @ stage.x + D @ stage.u

    def linear_cost(stage):
        return ca.dot(ca.vertcat(*(stage.parameters[f"q{i}"] for i in range(nx))), stage.x)

    return OptimalControlProblem(
        name=f"linear-quadratic-{nx}-{nu}-{rows}-{N}{'-soft' if soft else ''}",
        dynamics=dynamics,
        integrator=ExplicitEuler(),
        grid=(1.0,) * N,
        path_costs=(
            LeastSquares("state", lambda stage: stage.x, (1.0,) * nx),
            LeastSquares("control", lambda stage: stage.u, (1.0,) * nu),
            GeneralCost("linear", linear_cost),
        ),
        terminal_costs=(LeastSquares("end", lambda stage: stage.x, (1.0,) * nx),),
        path_constraints=(
            control_bounds((-1.0,) * nu, (1.0,) * nu),
            Constraint("rows", row_values, (-1.0,) * rows, (1.0,) * rows, Soft(1.0, 1.0) if soft else None),
        ),
        extra_parameters=Parameters(tuple(Parameter(n, 0.0, "") for n in names)),
    )


def random_instance(rng: np.random.Generator, nx: int, nu: int, rows: int, N: int, *, soft: bool) -> Instance:
    """Feasible for hard rows by construction: the rows hold with some room along one random bounded control sequence."""
    A = rng.normal(size=(nx, nx))
    A *= rng.uniform(0.5, 1.1) / np.abs(np.linalg.eigvals(A)).max()
    B, c, x0 = rng.normal(size=(nx, nu)), 0.1 * rng.normal(size=nx), rng.normal(size=nx)
    C, D = rng.normal(size=(rows, nx)), rng.normal(size=(rows, nu))
    umax = rng.uniform(0.3, 2.0)
    x, values = x0, []
    for _ in range(N):
        u = rng.uniform(-umax, umax, nu)
        values.append(C @ x + D @ u)
        x = A @ x + B @ u + c
    margin = rng.uniform(0.0, 0.5)
    low, high = np.min(values, axis=0) - margin, np.max(values, axis=0) + margin
    if soft:
        low, high = 0.3 * low, 0.3 * high
    low[rng.uniform(size=rows) < 0.2] = -np.inf
    weights = 10.0 ** rng.uniform(-2, 2, size=nx), 10.0 ** rng.uniform(-2, 1, size=nu)
    prices = (10 ** rng.uniform(-1, 4), 10 ** rng.uniform(-1, 5)) if soft else None
    return Instance(A, B, c, *weights, rng.normal(size=nx), x0, C, D, low, high, umax, N, prices)


def solve_with_piqp(instance: Instance) -> tuple[Array, Array, float]:
    """States (N+1, nx), controls (N, nu) and cost by a dense QP over the controls (and slacks), states eliminated."""
    nx, nu = instance.B.shape
    N, rows = instance.N, len(instance.low)
    n_slack = 2 * N * rows if instance.soft else 0
    nv = N * nu + n_slack
    # x_k = Phi_k v + phi_k
    Phi, phi = np.zeros((N + 1, nx, nv)), np.zeros((N + 1, nx))
    phi[0] = instance.x0
    for k in range(N):
        Phi[k + 1] = instance.A @ Phi[k]
        Phi[k + 1][:, k * nu : (k + 1) * nu] += instance.B
        phi[k + 1] = instance.A @ phi[k] + instance.c
    H, h, constant = np.zeros((nv, nv)), np.zeros(nv), 0.0
    G, lower, upper = [], [], []
    for k in range(N + 1):
        H += Phi[k].T @ np.diag(instance.Q) @ Phi[k]
        h += Phi[k].T @ (instance.Q * phi[k])
        constant += 0.5 * phi[k] @ (instance.Q * phi[k])
        if k == N:
            break
        h += Phi[k].T @ instance.q
        constant += instance.q @ phi[k]
        block = slice(k * nu, (k + 1) * nu)
        H[block, block] += np.diag(instance.R)
        row = instance.C @ Phi[k]
        row[:, block] += instance.D
        offset = instance.C @ phi[k]
        if instance.soft:
            at = N * nu + 2 * rows * k
            row[:, at : at + rows] += np.eye(rows)  # raises what is too low
            row[:, at + rows : at + 2 * rows] -= np.eye(rows)  # lowers what is too high
        G.append(row)
        lower.append(instance.low - offset)
        upper.append(instance.high - offset)
    if instance.soft:
        H[N * nu :, N * nu :] += instance.soft[1] * np.eye(n_slack)
        h[N * nu :] += instance.soft[0]
    box_low = np.concatenate([np.full(N * nu, -instance.umax), np.zeros(n_slack)])
    box_high = np.concatenate([np.full(N * nu, instance.umax), np.full(n_slack, np.inf)])
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-10
    solver.setup(H, h, None, None, np.vstack(G), np.concatenate(lower), np.concatenate(upper), box_low, box_high)
    assert solver.solve() == piqp.PIQP_SOLVED
    v = solver.result.x
    states = np.einsum("kij,j->ki", Phi, v) + phi
    return states, v[: N * nu].reshape(N, nu), float(0.5 * v @ H @ v + h @ v + constant)


def unconstrained(instance: Instance) -> Instance:
    """The same without a row or bound that presses."""
    rows = len(instance.low)
    return replace(instance, low=np.full(rows, -np.inf), high=np.full(rows, np.inf), umax=np.inf)


def endless_gain(instance: Instance) -> Array:
    """K (nu, nx) of u = K x when the horizon has no end and nothing presses."""
    A, B, Q, R = instance.A, instance.B, np.diag(instance.Q), np.diag(instance.R)
    P = scipy.linalg.solve_discrete_are(A, B, Q, R)
    gain: Array = -np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
    return gain


def one_step(**changes: object) -> tuple[OptimalControlProblem, Instance]:
    """One state and one control over one step, x⁺ = x + u, of which nothing costs but ½ u²; with changes."""
    soft = "soft" in changes
    base = random_instance(np.random.default_rng(0), 1, 1, 1, 1, soft=soft)
    zero, one = np.zeros(1), np.ones(1)
    numbers = {"A": np.eye(1), "B": np.eye(1), "c": zero, "Q": zero, "R": one, "q": zero, "x0": zero, "umax": 10.0}
    numbers |= {"C": np.zeros((1, 1)), "D": np.zeros((1, 1)), "low": -np.inf * one, "high": np.inf * one}
    return linear_problem(1, 1, 1, 1, soft=soft), replace(base, **(numbers | changes))


def pressed_rows(
    a: Instance, solution: Solution, multipliers: list[dict[str, float]], *, gradient: float, value: float, side: float
) -> int:
    """Checks stationarity, signs and complementarity of hard rows, put together from the numbers of the instance alone, given
    the named multipliers of every stage; the number of rows that press. Tolerances: of the gradient relative to the largest
    multiplier, of a row's value, and of the value of a row that presses a side.
    """
    nu, rows = len(a.R), len(a.low)
    x, u = solution.trajectory.states, solution.trajectory.controls
    low, high = np.r_[np.full(nu, -a.umax), a.low], np.r_[np.full(nu, a.umax), a.high]
    adjoint, pressed = a.Q * x[a.N], 0
    for k in range(a.N - 1, -1, -1):
        on_controls = np.array([multipliers[k][f"control[{i}]"] for i in range(nu)])
        on_rows = np.array([multipliers[k][f"rows[{i}]"] for i in range(rows)])
        slope = a.R * u[k] + on_controls + a.D.T @ on_rows + a.B.T @ adjoint
        np.testing.assert_allclose(slope, 0.0, atol=gradient * (1 + np.abs(on_rows).max() + np.abs(adjoint).max()))
        values = np.concatenate([u[k], a.C @ x[k] + a.D @ u[k]])
        for found, bottom, top, multiplier in zip(values, low, high, np.r_[on_controls, on_rows], strict=True):
            assert bottom - value <= found <= top + value
            if abs(multiplier) > 1e-3:
                assert found == pytest.approx(top if multiplier > 0 else bottom, abs=side)
                pressed += 1
        adjoint = a.Q * x[k] + a.q + a.C.T @ on_rows + a.A.T @ adjoint
    return pressed
