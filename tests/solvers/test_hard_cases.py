"""Problems at the edge of what makes sense: every solver to convergence, against closed forms and independent numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import casadi as ca
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import ExplicitEuler, RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Solution, Status
from mpc_controller.solvers.solver import Solver
from mpc_controller.solvers.trajectory import Trajectory

MAKERS: Mapping[str, Callable[[OptimalControlProblem], Solver]] = {
    "gauss-newton": partial(MultipleShooting, real_time_iteration=False, hessian="gauss-newton", tolerance=1e-8),
    "exact": partial(MultipleShooting, real_time_iteration=False, hessian="exact", tolerance=1e-8),
    "real-time": partial(MultipleShooting, tolerance=1e-8),
}
every_solver = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


class Linear(Dynamics):
    """x⁺ = A x + B u as an Euler step of 1 s, with the numbers in the expression."""

    parameters = Parameters()

    def __init__(self, A: Array, B: Array) -> None:
        nx, nu = B.shape
        self.name = "linear"
        self.state_names, self.state_units = tuple(f"x{i}" for i in range(nx)), ("",) * nx
        self.control_names, self.control_units = tuple(f"u{i}" for i in range(nu)), ("",) * nu
        self.manifold = Euclidean(nx)
        self._A, self._B = A, B

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.sparsify(ca.DM(self._A - np.eye(len(self._A)))) @ x + ca.DM(self._B) @ u


class Pendulum(Dynamics):
    """q̈ = 9.81 sin q − 0.1 q̇ + u, upright at q = 0."""

    name = "pendulum"
    state_names, state_units = ("q", "q_dot"), ("rad", "rad/s")
    control_names, control_units = ("u",), ("rad/s²",)
    manifold = Euclidean(2)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], 9.81 * ca.sin(x[0]) - 0.1 * x[1] + u)


def linear(A: Array, B: Array, N: int, Q: float = 1.0, R: float = 1.0, **fields: object) -> OptimalControlProblem:
    """min Σ ½ (Q xᵀx + R uᵀu) + ½ Q x_NᵀxN."""
    nx, nu = B.shape
    return OptimalControlProblem(
        name=f"linear-{nx}-{nu}-{N}",
        dynamics=Linear(A, B),
        integrator=ExplicitEuler(),
        grid=(1.0,) * N,
        path_costs=(LeastSquares("state", lambda s: s.x, (Q,) * nx), LeastSquares("effort", lambda s: s.u, (R,) * nu)),
        terminal_costs=(LeastSquares("end", lambda s: s.x, (Q,) * nx),),
        **fields,
    )


def swing(**fields: object) -> OptimalControlProblem:
    """A pendulum to its upright, 1.5 s ahead."""
    return OptimalControlProblem(
        **{
            "name": "swing",
            "dynamics": Pendulum(),
            "integrator": RungeKutta4(),
            "grid": (0.05,) * 30,
            "path_costs": (
                LeastSquares("state", lambda s: s.x, (10.0, 0.1)),
                LeastSquares("effort", lambda s: s.u * ca.cos(s.x[0]), (0.1,)),
                LeastSquares("torque", lambda s: s.u, (0.01,)),
            ),
            "terminal_costs": (LeastSquares("end", lambda s: s.x, (100.0, 1.0)),),
            "path_constraints": (
                control_bounds((-12.0,), (12.0,)),
                Constraint("power", lambda s: s.u * s.x[1], (-15.0,), (15.0,)),
                state_bounds((1,), (-2.5,), (2.5,), "rate"),
            ),
            **fields,
        }
    )


def guess_of(problem: OptimalControlProblem, x0: Array) -> Trajectory:
    times = np.rint(problem.times * 1e9).astype(np.int64)
    return Trajectory.constant(problem.dynamics.manifold, times, x0, np.zeros(problem.dynamics.nu))


def solve(solver: Solver, x0: Array, guess: Trajectory | None = None, **keywords: object) -> Solution:
    problem = solver.problem
    reference = np.zeros((problem.N + 1, problem.nr))
    return solver.solve(x0, problem.parameters.values, reference, guess or guess_of(problem, x0), **keywords)


def riccati(A: Array, B: Array, N: int, Q: float, R: float) -> tuple[Array, Array]:
    """Cost-to-go P_0 and first gain of the unconstrained problem, by the textbook recursion."""
    nx, nu = B.shape
    P, K = Q * np.eye(nx), np.zeros((nu, nx))
    for _ in range(N):
        K = -np.linalg.solve(R * np.eye(nu) + B.T @ P @ B, B.T @ P @ A)
        P = Q * np.eye(nx) + R * K.T @ K + (A + B @ K).T @ P @ (A + B @ K)
    return P, K


def random_system(nx: int, nu: int, radius: float) -> tuple[Array, Array]:
    rng = np.random.default_rng(nx)
    A = rng.normal(size=(nx, nx))
    return A * radius / np.abs(np.linalg.eigvals(A)).max(), rng.normal(size=(nx, nu))


@every_solver
@pytest.mark.parametrize(
    ("nx", "nu", "N", "radius"),
    [(1, 1, 20, 0.9), (40, 5, 20, 0.9), (3, 2, 1, 0.9), (3, 2, 500, 1.0), (3, 1, 30, 1.8), (2, 3, 30, 1.2)],
)
def test_short_long_small_large_and_unstable_problems_have_the_optimum_of_the_riccati_recursion(make, nx, nu, N, radius):
    A, B = random_system(nx, nu, radius)
    x0 = np.linspace(1.0, 2.0, nx)
    solution = solve(make(linear(A, B, N)), x0)
    P, K = riccati(A, B, N, 1.0, 1.0)
    assert solution.status is Status.CONVERGED
    assert solution.cost == pytest.approx(0.5 * x0 @ P @ x0, rel=1e-9)
    np.testing.assert_allclose(solution.trajectory.controls[0], K @ x0, rtol=1e-6)
    np.testing.assert_allclose(solution.gains[0], K, rtol=1e-6, atol=1e-9)


@every_solver
def test_controls_without_a_weight_are_dead_beat(make):
    """x⁺ = x + B u with B square: all cost after x₀ is avoided, by u₀ = −B⁻¹x₀."""
    B = np.array([[2.0, 1.0], [0.0, 1.0]])
    x0 = np.array([3.0, -1.0])
    solution = solve(make(linear(np.eye(2), B, 5, R=0.0)), x0)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.trajectory.controls[0], -np.linalg.solve(B, x0), atol=1e-6)
    np.testing.assert_allclose(solution.trajectory.controls[1:], 0.0, atol=1e-6)
    assert solution.cost == pytest.approx(0.5 * x0 @ x0, rel=1e-7)


@every_solver
def test_directions_that_cost_nothing_do_no_harm(make):
    """The second control does nothing and has no weight, the second state has none either: the Hessian is singular."""
    problem = OptimalControlProblem(
        name="singular",
        dynamics=Linear(np.array([[1.0, 0.0], [0.3, 1.0]]), np.array([[1.0, 0.0], [0.0, 0.0]])),
        integrator=ExplicitEuler(),
        grid=(1.0,) * 10,
        path_costs=(LeastSquares("position", lambda s: s.x[0], (1.0,)), LeastSquares("effort", lambda s: s.u[0], (1.0,))),
        path_constraints=(control_bounds((-10.0, -1.0), (10.0, 1.0)),),
    )
    solution = solve(make(problem), np.array([1.0, 0.0]))
    one = linear(np.eye(1), np.eye(1), 10)
    expected = solve(make(one), np.array([1.0]))
    assert solution.status is Status.CONVERGED
    # The scalar problem has ½ x² at the end, too: its first controls differ by the tail of a horizon of 10 steps.
    np.testing.assert_allclose(solution.trajectory.controls[:3, 0], expected.trajectory.controls[:3, 0], atol=1e-3)
    assert np.abs(solution.trajectory.controls[:, 1]).max() <= 1.0


@every_solver
def test_a_target_out_of_reach_saturates_the_controls_for_the_whole_horizon(make):
    problem = linear(np.eye(1), np.eye(1), 40, R=1e-3, path_constraints=(control_bounds((-1.0,), (1.0,)),))
    solver = make(problem)
    solution = solve(solver, np.array([1000.0]))
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.trajectory.controls, -1.0, atol=1e-6)
    np.testing.assert_allclose(solution.trajectory.states[:, 0], 1000.0 - np.arange(41), atol=1e-4)


@every_solver
def test_a_guess_that_breaks_dynamics_and_bounds_leads_to_the_optimum_of_a_good_one(make):
    A, B = random_system(3, 2, 1.05)
    box = (control_bounds((-0.4,) * 2, (0.4,) * 2), state_bounds((0,), (-2.5,), (2.5,), "box"))
    problem = linear(A, B, 25, path_constraints=box)
    x0 = np.array([2.6, -1.0, 0.5])  # outside the box, which holds from k = 1 on
    good = solve(make(problem), x0)
    rng = np.random.default_rng(0)
    wild = guess_of(problem, x0)
    wild = Trajectory(wild.manifold, wild.times, 50 * rng.normal(size=wild.states.shape), 50 * rng.normal(size=(25, 2)))
    bad = solve(make(problem), x0, wild)
    assert good.status is bad.status is Status.CONVERGED
    assert bad.cost == pytest.approx(good.cost, rel=1e-7)
    np.testing.assert_allclose(bad.trajectory.controls, good.trajectory.controls, atol=1e-5)


@every_solver
def test_rows_that_cannot_be_kept_are_infeasible_by_name(make):
    ahead = state_bounds((0,), (20.0,), (np.inf,), "goal")
    problem = linear(
        np.eye(1), np.eye(1), 10, path_constraints=(control_bounds((-1.0,), (1.0,)),), terminal_constraints=(ahead,)
    )
    solution = solve(make(problem), np.array([5.0]))
    assert solution.status is Status.INFEASIBLE
    assert solution.worst_constraint == "goal[0] at k=10"
    assert solution.violation == pytest.approx(5.0, abs=1e-3)  # 20 − (5 + 10)
    assert not solution.gains.any()


@every_solver
def test_a_nonlinear_row_that_cannot_be_kept_is_infeasible_by_name(make):
    high = Constraint("height", lambda s: ca.cos(s.x[0]), (0.9,), (np.inf,))
    solution = solve(make(swing(terminal_constraints=(high,), grid=(0.05,) * 8)), np.array([np.pi, 0.0]))
    assert solution.status is Status.INFEASIBLE
    assert solution.worst_constraint == "height[0] at k=8"


@every_solver
def test_soft_rows_that_cannot_be_kept_report_what_is_missing(make):
    ahead = state_bounds((0,), (20.0,), (np.inf,), "goal", Soft(l1=1e4, l2=0.0))
    problem = linear(
        np.eye(1), np.eye(1), 10, path_constraints=(control_bounds((-1.0,), (1.0,)),), terminal_constraints=(ahead,)
    )
    solution = solve(make(problem), np.array([5.0]))
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.trajectory.controls, 1.0, atol=1e-5)
    assert solution.slack == pytest.approx(5.0, abs=1e-4)


@every_solver
def test_rows_whose_linearisations_contradict_each_other_are_not_taken_for_infeasible(make):
    """Within the annulus ½ ≤ |x|² ≤ 1: at x = 0 the gradient of the row is zero, so nothing linear can keep it."""
    annulus = Constraint("annulus", lambda s: ca.sumsqr(s.x), (0.5,), (1.0,))
    problem = linear(np.eye(2), np.eye(2), 5, Q=0.2, path_constraints=(annulus,))
    x0 = np.array([0.9, 0.1])
    guess = guess_of(problem, np.zeros(2))
    solution = solve(make(problem), x0, Trajectory(guess.manifold, guess.times, 1e-3 + guess.states, guess.controls))
    assert solution.status is Status.CONVERGED
    lengths = np.linalg.norm(solution.trajectory.states[1:], axis=1) ** 2
    np.testing.assert_allclose(lengths[-1], 0.5, atol=1e-5)
    assert (lengths > 0.5 - 1e-6).all()
    assert (lengths < 1 + 1e-6).all()


@every_solver
def test_after_two_thousand_unsolvable_instances_the_first_solvable_one_is_solved_as_from_a_clean_start(make):
    problem = swing()
    x0 = np.array([1.0, 0.0])
    clean = solve(make(problem), x0)
    assert clean.status is Status.CONVERGED
    solver = make(problem)
    p, reference = problem.parameters.values, np.zeros((problem.N + 1, 0))
    reversed_bounds = p.copy()
    reversed_bounds[problem.parameters.index("lower.control[0]")] = 13.0
    unreachable = p.copy()
    unreachable[problem.parameters.index("lower.rate[0]")] = 2.4
    for i in range(2000):
        kind = i % 4
        bad_x0 = np.array([np.nan, 0.0]) if kind == 0 else x0
        bad_p = (p, p * np.nan, reversed_bounds, unreachable)[kind]
        failed = solver.solve(bad_x0, bad_p, reference, guess_of(problem, x0))
        assert not failed.is_usable
    after = solve(solver, x0)
    np.testing.assert_array_equal(after.trajectory.states, clean.trajectory.states)
    np.testing.assert_array_equal(after.trajectory.controls, clean.trajectory.controls)
    np.testing.assert_array_equal(after.gains, clean.gains)
    np.testing.assert_array_equal(after.multipliers, clean.multipliers)


@every_solver
def test_a_deadline_of_zero_gives_the_guess_back_finite_and_marked(make):
    problem = swing()
    x0, elsewhere = np.array([1.0, 0.0]), np.array([0.8, -0.1])
    guess = guess_of(problem, elsewhere)
    solution = solve(make(problem), x0, guess, deadline_ns=0)
    assert solution.status is Status.DEADLINE
    assert not solution.is_usable
    np.testing.assert_array_equal(solution.trajectory.states[0], x0)
    np.testing.assert_array_equal(solution.trajectory.states[1:], guess.states[1:])
    np.testing.assert_array_equal(solution.trajectory.controls, guess.controls)


@every_solver
def test_the_reported_residuals_are_those_of_the_conditions_written_down_again(make):
    """∇_u [l + μᵀg + πᵀF] with π by the adjoint recursion, gaps, and μ·(g − bound), by AD of the plain terms."""
    problem = swing()
    x0 = np.array([1.2, 0.0])
    solver = make(problem)
    solution = solve(solver, x0)
    assert solution.status is Status.CONVERGED
    X, U = solution.trajectory.states, solution.trajectory.controls
    x, u, p = ca.SX.sym("x", 2), ca.SX.sym("u"), ca.SX(ca.DM(problem.parameters.values))
    stage = problem.stage(x, u, p, ca.SX(0, 1))
    F = problem.integrator.step(problem.dynamics, x, u, p[:0], ca.SX(0.05))
    cost = sum(0.05 * ca.dot(ca.DM(c.weights), c.residual(stage) ** 2) / 2 for c in problem.path_costs)
    m = sum(ca.dot(ca.DM(c.weights), c.residual(stage) ** 2) / 2 for c in problem.terminal_costs)
    g = ca.vertcat(*(c.expression(stage) for c in problem.path_constraints))
    pi, mu = ca.SX.sym("pi", 2), ca.SX.sym("mu", 3)
    lagrangian = cost + ca.dot(mu, g) + ca.dot(pi, F)
    by_u_and_x = ca.Function("gradient", [x, u, pi, mu], [ca.gradient(lagrangian, u), ca.gradient(lagrangian, x)])
    at_end = ca.Function("end", [x, pi], [ca.gradient(m + pi[0] * x[1], x)])
    value = ca.Function("value", [x, u], [F, g])
    low, high = np.array([-12.0, -15.0, -2.5]), np.array([12.0, 15.0, 2.5])

    rate = solver.multipliers_of(solution, problem.N)["rate[0]"]
    adjoint = np.array(at_end(X[-1], [rate, 0.0])).ravel()
    stationarity, gaps, complementarity = 0.0, 0.0, abs(rate) * min(2.5 - X[-1, 1], X[-1, 1] + 2.5) / (1 + abs(rate))
    for k in range(problem.N - 1, -1, -1):
        named = solver.multipliers_of(solution, k)
        multipliers = np.array([named["control[0]"], named["power[0]"], named["rate[0]"]])
        by_u, by_x = by_u_and_x(X[k], U[k], adjoint, multipliers)
        following, rows = (np.array(v).ravel() for v in value(X[k], U[k]))
        adjoint = np.array(by_x).ravel()
        stationarity = max(stationarity, abs(float(by_u)))
        gaps = max(gaps, np.abs(following - X[k + 1]).max())
        distance = np.where(multipliers > 0, high - rows, rows - low)
        complementarity = max(complementarity, (np.abs(multipliers) * np.abs(distance) / (1 + np.abs(multipliers))).max())
    scale = max(1.0, np.abs(solution.multipliers).max())
    assert stationarity == pytest.approx(solution.residuals.stationarity, abs=1e-10 * scale)
    assert gaps == pytest.approx(solution.residuals.dynamics, abs=1e-12)
    # Reported side by side: what both sides of a row press against each other is not seen in their difference.
    assert complementarity == pytest.approx(solution.residuals.complementarity, abs=2e-8)
    assert stationarity < 1e-8 * scale
    assert gaps < 1e-8
    assert complementarity < 2e-8
