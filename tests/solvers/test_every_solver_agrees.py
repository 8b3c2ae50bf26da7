"""Every solver of the registry on problems with known answers: one optimum whatever the method, inputs that act at run time."""

from __future__ import annotations

from functools import cache

import casadi as ca
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solution import Solution, Status
from mpc_controller.solvers.trajectory import Trajectory
from tests.ipopt_reference import solve_with_ipopt
from tests.solvers.optimality import OptimalityCheck, integrator_step, radau_step
from tests.solvers.spin import TORQUE_LIMIT, at_rest, make_spin, spin, spinning
from tests.solvers.test_collocation import BUTCHER

every_solver = pytest.mark.parametrize("name", SOLVERS)
# One sweep about the guess knows the bounds only as something that clips its controls.
every_optimiser = pytest.mark.parametrize("name", [name for name in SOLVERS if name != "lqr"])


def _guess(problem: OptimalControlProblem, x0: Array) -> Trajectory:
    times = np.rint(problem.times * 1e9).astype(np.int64)
    return Trajectory.constant(problem.dynamics.manifold, times, x0, np.zeros(problem.dynamics.nu))


@cache
def _optimum() -> tuple[Array, float]:
    """Controls and cost of the spinning body's way to rest, on its uneven grid, by IPOPT."""
    _, controls, cost = solve_with_ipopt(spin(), spinning(), spin().parameters.values, at_rest(spin()))
    assert np.isclose(np.abs(controls), TORQUE_LIMIT, atol=1e-6).sum() > 3  # bounds are active
    return controls, cost


def _expect_optimal(solution: Solution, rel: float) -> None:
    controls, cost = _optimum()
    assert solution.cost == pytest.approx(cost, rel=rel)
    np.testing.assert_allclose(solution.trajectory.controls, controls, atol=1e-3)


@every_optimiser
def test_all_find_one_optimum_with_active_bounds_on_an_uneven_grid(name):
    """Of the collocation, too: on a motion this smooth its steps and those of Runge-Kutta differ by less than 1e-6."""
    solver = SOLVERS[name](spin())
    solution = solver.solve(spinning(), spin().parameters.values, at_rest(spin()), _guess(spin(), spinning()))
    assert solution.status is Status.CONVERGED
    _expect_optimal(solution, rel=1e-5)


@every_optimiser
def test_real_time_iterations_from_one_state_arrive_at_its_optimum(name):
    solver, p = SOLVERS[name](spin(), real_time_iteration=True), spin().parameters.values
    elsewhere = spin().dynamics.manifold.retract(spinning(), np.full(6, 0.05))
    solution = solver.solve(elsewhere, p, at_rest(spin()), _guess(spin(), elsewhere))
    assert solution.status is Status.CONVERGED
    for _ in range(30):
        solution = solver.solve(spinning(), p, at_rest(spin()), solution.trajectory.shifted(0))
        assert solution.is_usable
        assert solution.iterations <= 1
    _expect_optimal(solution, rel=1e-5)


@every_solver
def test_weights_bounds_model_parameters_and_reference_act_at_run_time_as_if_built_in(name):
    solver, check = (
        SOLVERS[name](spin()),
        OptimalityCheck(spin(), (radau_step if name == "collocation" else integrator_step)(spin())),
    )
    p, reference = spin().parameters.values, at_rest(spin())
    before = solver.solve(spinning(), p, reference, _guess(spin(), spinning()))
    solver.reset()

    other = make_spin(weights=(9.0, 0.5, 0.1), limit=0.5 * TORQUE_LIMIT)
    p, reference = other.parameters.values, np.full_like(reference, 0.4)
    p[other.parameters.index("Jy")] = 1.4
    after = solver.solve(spinning(), p, reference, _guess(spin(), spinning()))
    found = check(after, solver.multipliers_of, p, reference)
    assert after.cost == pytest.approx(found.cost, rel=1e-12)
    assert np.abs(after.trajectory.controls).max() == pytest.approx(0.5 * TORQUE_LIMIT, abs=1e-6)
    assert np.abs(before.trajectory.controls).max() > 0.9 * TORQUE_LIMIT
    assert found.dynamics < 1e-6
    if name != "lqr":
        assert after.status is Status.CONVERGED
        assert found.stationarity <= 1e-6 * found.scale

    built_in = SOLVERS[name](other)
    assert built_in.from_cache
    same = built_in.solve(spinning(), p, reference, _guess(other, spinning()))
    np.testing.assert_array_equal(same.trajectory.controls, after.trajectory.controls)
    np.testing.assert_array_equal(same.multipliers, after.multipliers)


F = np.array([[0.0, 1.0, 0.0], [2.0, -0.3, 0.5], [0.0, 0.4, -1.0]])  # unstable
G = np.array([[0.0, 0.2], [1.0, 0.0], [0.0, -1.0]])
Q, R, END = np.array([3.0, 0.5, 1.0]), np.array([0.2, 0.4]), np.array([5.0, 1.0, 2.0])
GRID = (0.05,) * 8 + (0.15,) * 6
RUNGE_KUTTA_4 = np.diag([0.5, 0.5, 1.0], -1), np.array([1, 2, 2, 1]) / 6
RADAU_3 = BUTCHER["radau-3"], BUTCHER["radau-3"][-1]


class Linear(Dynamics):
    """ẋ = F x + G u."""

    name = "linear"
    state_names, state_units = ("a", "b", "c"), ("",) * 3
    control_names, control_units = ("u", "v"), ("",) * 2
    manifold = Euclidean(3)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.DM(F) @ x + ca.DM(G) @ u


def _linear_problem() -> OptimalControlProblem:
    return OptimalControlProblem(
        name="linear, every solver",
        dynamics=Linear(),
        integrator=RungeKutta4(),
        grid=GRID,
        path_costs=(LeastSquares("state", lambda s: s.x, tuple(Q)), LeastSquares("effort", lambda s: s.u, tuple(R))),
        terminal_costs=(LeastSquares("end", lambda s: s.x, tuple(END)),),
    )


def _step_matrices(tableau: tuple[Array, Array], dt: float) -> tuple[Array, Array]:
    """A, B of x⁺ = A x + B u by a Runge-Kutta method: all its slopes k_i = F(x + dt Σ a_ij k_j) + G u at once."""
    a, b = tableau
    slopes = np.linalg.solve(np.eye(3 * len(b)) - dt * np.kron(a, F), np.kron(np.ones((len(b), 1)), np.hstack([F, G])))
    step = np.hstack([np.eye(3), np.zeros((3, 2))]) + dt * np.kron(b, np.eye(3)) @ slopes
    return step[:, :3], step[:, 3:]


def _riccati(tableau: tuple[Array, Array]) -> tuple[list[Array], Array]:
    """Gains of all steps and the cost-to-go of the start."""
    P, gains = np.diag(END), []
    for dt in reversed(GRID):
        A, B = _step_matrices(tableau, dt)
        K = -np.linalg.solve(dt * np.diag(R) + B.T @ P @ B, B.T @ P @ A)
        P = dt * np.diag(Q) + A.T @ P @ (A + B @ K)
        gains.insert(0, K)
    return gains, P


@every_solver
def test_a_linear_quadratic_problem_is_solved_by_the_riccati_recursion_in_one_iteration_from_any_guess(name):
    problem, rng = _linear_problem(), np.random.default_rng(0)
    tableau = RADAU_3 if name == "collocation" else RUNGE_KUTTA_4
    x0 = np.array([1.0, -0.5, 0.3])
    guess = _guess(problem, x0)
    guess = Trajectory(guess.manifold, guess.times, rng.normal(size=(problem.N + 1, 3)), rng.normal(size=(problem.N, 2)))
    solution = SOLVERS[name](problem).solve(x0, problem.parameters.values, np.zeros((problem.N + 1, 0)), guess)
    assert solution.status is Status.CONVERGED
    assert solution.iterations == 1
    gains, P = _riccati(tableau)
    np.testing.assert_allclose(solution.gains, gains, rtol=1e-8, atol=1e-10)
    assert solution.cost == pytest.approx(0.5 * x0 @ P @ x0, rel=1e-9)
    x = x0
    for k, dt in enumerate(GRID):
        np.testing.assert_allclose(solution.trajectory.states[k], x, atol=1e-8)
        np.testing.assert_allclose(solution.trajectory.controls[k], gains[k] @ x, atol=1e-8)
        A, B = _step_matrices(tableau, dt)
        x = (A + B @ gains[k]) @ x
    np.testing.assert_allclose(solution.trajectory.states[-1], x, atol=1e-8)
