"""Native collocation: its elimination against dense algebra, its order, and its optima against IPOPT on the same equations."""

from __future__ import annotations

import casadi as ca
import numpy as np
import pytest
import scipy.optimize

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean, Manifold
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation import Collocation
from mpc_controller.solvers.collocation_schemes import COLLOCATION_SCHEMES
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from robots import ROBOTS, load_robot
from tests.solvers.problems import spin_to_rest

# Butcher's matrices of the Radau IIA methods (Hairer, Wanner, "Solving Ordinary Differential Equations II", table IV.5.5).
_S6 = np.sqrt(6)
BUTCHER = {
    "radau-2": np.array([[5 / 12, -1 / 12], [3 / 4, 1 / 4]]),
    "radau-3": np.array(
        [
            [(88 - 7 * _S6) / 360, (296 - 169 * _S6) / 1800, (-2 + 3 * _S6) / 225],
            [(296 + 169 * _S6) / 1800, (88 + 7 * _S6) / 360, (-2 - 3 * _S6) / 225],
            [(16 - _S6) / 36, (16 + _S6) / 36, 1 / 9],
        ]
    ),
}


class Oscillator(Dynamics):
    """q̈ = −q + u."""

    name = "oscillator"
    state_names, state_units = ("q", "v"), ("m", "m/s")
    control_names, control_units = ("u",), ("m/s²",)
    manifold = Euclidean(2)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], u - x[0])


def _oscillator_problem(N: int, dt: float) -> OptimalControlProblem:
    return OptimalControlProblem(
        name=f"oscillator-{N}-{dt}",
        dynamics=Oscillator(),
        integrator=RungeKutta4(),
        grid=(dt,) * N,
        path_costs=(LeastSquares("state", lambda s: s.x, (1.0, 0.5)), LeastSquares("control", lambda s: s.u, (0.1,))),
        terminal_costs=(LeastSquares("end", lambda s: s.x, (3.0, 2.0)),),
    )


@pytest.fixture(scope="module")
def spin():
    return spin_to_rest()


def _constant_guess(problem: OptimalControlProblem, x0, control) -> Trajectory:
    times = np.round(problem.times * 1e9).astype(np.int64)
    return Trajectory.constant(problem.dynamics.manifold, times, x0, control)


def _solve(solver: Collocation, x0, guess: Trajectory, reference=None):
    problem = solver.problem
    reference = np.zeros((problem.N + 1, problem.nr)) if reference is None else reference
    return solver.solve(x0, problem.parameters.values, reference, guess)


def _spin_start(problem: OptimalControlProblem, seed=0):
    rng = np.random.default_rng(seed)
    x0 = problem.dynamics.manifold.retract(np.r_[1.0, np.zeros(6)], rng.normal(size=6))
    return x0, _constant_guess(problem, x0, np.zeros(3))


def _implicit_step(dynamics: Dynamics, name: str, x, u, dt):
    """x⁺ of one interval from the equations as the textbooks have them, by a general root finder."""
    f, nx, p = dynamics.function(), dynamics.nx, dynamics.parameters.values

    def rate(state):
        return np.array(f(state, u, p)).ravel()

    def radau(w):
        stages = w.reshape(-1, nx)
        return (stages - x - dt * BUTCHER[name] @ np.stack([rate(s) for s in stages])).ravel()

    def simpson(w):
        middle = (x + w) / 2 + dt / 8 * (rate(x) - rate(w))
        return w - x - dt / 6 * (rate(x) + 4 * rate(middle) + rate(w))

    equations, count = (radau, len(BUTCHER[name])) if name in BUTCHER else (simpson, 1)
    result = scipy.optimize.root(equations, np.tile(x, count), tol=1e-13)
    assert np.abs(result.fun).max() < 1e-12
    return result.x[-nx:]


@pytest.mark.parametrize("name", COLLOCATION_SCHEMES)
def test_a_converged_plan_steps_as_the_textbook_equations_do(spin, name):
    x0, guess = _spin_start(spin)
    solution = _solve(Collocation(spin, scheme=name, real_time_iteration=False, tolerance=1e-9), x0, guess)
    assert solution.status is Status.CONVERGED
    states, controls = solution.trajectory.states, solution.trajectory.controls
    for k, dt in enumerate(spin.grid):
        following = _implicit_step(spin.dynamics, name, states[k], controls[k], dt)
        np.testing.assert_allclose(spin.dynamics.manifold.difference(following, states[k + 1]), 0.0, atol=1e-9)


ORDERS = [("radau-2", 3), ("radau-3", 5), ("hermite-simpson", 4), ("hermite-simpson-separated", 4)]


@pytest.mark.parametrize(("name", "order"), ORDERS)
def test_halving_the_step_divides_the_error_by_the_power_of_the_order(name, order):
    """Free motion of the oscillator over one second, against cos t and −sin t."""
    errors = []
    for N in (2, 4):
        problem = _oscillator_problem(N, 1.0 / N)
        parameters = problem.parameters.values
        for weight in ("state[0]", "state[1]", "end[0]", "end[1]"):
            parameters[problem.parameters.index(f"weight.{weight}")] = 0.0  # leaves the price of the control: it is zero
        x0 = np.array([1.0, 0.0])
        solver = Collocation(problem, scheme=name, real_time_iteration=False)
        solution = solver.solve(x0, parameters, np.zeros((N + 1, 0)), _constant_guess(problem, x0, np.zeros(1)))
        assert np.abs(solution.trajectory.controls).max() < 1e-12
        errors.append(np.abs(solution.trajectory.states[-1] - [np.cos(1.0), -np.sin(1.0)]).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("name", COLLOCATION_SCHEMES)
def test_a_linear_quadratic_problem_takes_one_iteration(name):
    problem = _oscillator_problem(20, 0.1)
    x0 = np.array([1.0, -0.5])
    solver = Collocation(problem, scheme=name, real_time_iteration=False, tolerance=1e-8)
    solution = _solve(solver, x0, _constant_guess(problem, x0, np.zeros(1)))
    assert solution.status is Status.CONVERGED
    assert solution.iterations == 1


def test_gains_are_those_of_the_riccati_recursion_on_the_schemes_own_linear_step():
    """Of Radau's method on a linear system: x⁺ = R x + S u with R, S from a dense solve of all stages at once."""
    N, dt = 20, 0.1
    problem = _oscillator_problem(N, dt)
    x0 = np.array([1.0, -0.5])
    solver = Collocation(problem, real_time_iteration=False, tolerance=1e-8)
    solution = _solve(solver, x0, _constant_guess(problem, x0, np.zeros(1)))
    F, g = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.array([[0.0], [1.0]])
    A_rk = BUTCHER["radau-3"]
    stages = np.linalg.solve(
        np.eye(6) - dt * np.kron(A_rk, F),
        np.hstack([np.kron(np.ones((3, 1)), np.eye(2)), dt * np.kron(A_rk.sum(axis=1)[:, None], g)]),
    )
    A, B = stages[-2:, :2], stages[-2:, 2:]
    P = np.diag([3.0, 2.0])
    Q, R = dt * np.diag([1.0, 0.5]), dt * np.array([[0.1]])
    for k in reversed(range(N)):
        K = -np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
        P = Q + A.T @ P @ (A + B @ K)
        np.testing.assert_allclose(solution.gains[k], K, rtol=1e-6)


def test_real_time_iterations_arrive_at_the_solution_of_the_full_sqp(spin):
    x0, guess = _spin_start(spin)
    converged = _solve(Collocation(spin, real_time_iteration=False, tolerance=1e-9), x0, guess)
    solver = Collocation(spin)
    solution = _solve(solver, x0, guess)
    for _ in range(20):
        solution = _solve(solver, x0, solution.trajectory)
        assert solution.status is Status.ITERATION_LIMIT
        assert solution.iterations == 1
    # Inner states are kept between calls: the equations hold to the last digits, not to what one step from a chord leaves.
    assert solution.residuals.dynamics < 1e-9
    np.testing.assert_allclose(solution.trajectory.controls, converged.trajectory.controls, atol=1e-4)


def test_a_plan_given_back_as_the_guess_is_a_solution_still(spin):
    """Its inner states are kept: from chords, one iteration would leave the dynamics 7e-8 apart."""
    x0, guess = _spin_start(spin)
    solver = Collocation(spin, tolerance=1e-8)
    plan = _solve(solver, x0, guess).trajectory
    again = _solve(solver, x0, plan)
    assert again.residuals.dynamics < 1e-11
    np.testing.assert_allclose(again.trajectory.states, plan.states, atol=1e-7)


def test_failures_leave_no_inner_states_behind(spin):
    x0, guess = _spin_start(spin)
    clean = _solve(Collocation(spin), x0, guess)
    solver = Collocation(spin)
    _solve(solver, *_spin_start(spin, seed=5))
    for _ in range(5):
        assert _solve(solver, x0 * np.nan, guess).status is Status.NUMERICAL_FAILURE
    after = _solve(solver, x0, guess)
    np.testing.assert_array_equal(after.trajectory.states, clean.trajectory.states)
    np.testing.assert_array_equal(after.gains, clean.gains)


def test_attitudes_of_either_sign_are_the_same_start(spin):
    x0, guess = _spin_start(spin)
    flipped = x0 * np.r_[-np.ones(4), np.ones(3)]
    one = _solve(Collocation(spin, real_time_iteration=False), x0, guess)
    other = _solve(Collocation(spin, real_time_iteration=False), flipped, guess)  # x₀ and the guess differ in sign
    assert other.status is Status.CONVERGED
    np.testing.assert_allclose(other.trajectory.controls, one.trajectory.controls, atol=1e-5)
    difference = Manifold(7, (0,)).difference(other.trajectory.states[0], one.trajectory.states[0])
    np.testing.assert_allclose(difference, 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"scheme": "euler"}, "scheme is 'euler'.*'radau-2' or 'radau-3' or 'hermite-simpson"),
        ({"backend": "snopt"}, "backend is 'snopt'; it must be 'native' or 'ipopt' or 'fatrop'"),
        ({"controls": "free"}, "controls is 'free'; with backend 'native' it must be 'held'"),
        ({"objective": "quadrature"}, "objective is 'quadrature'; with backend 'native' it must be 'grid'"),
        ({"backend": "ipopt", "controls": "linear"}, "controls is 'linear'.*'held' or 'free'"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
    ],
)
def test_a_bad_option_is_one_error_that_says_what_would_be_valid(options, text):
    with pytest.raises(ValueError, match=text):
        Collocation(_oscillator_problem(4, 0.1), **options)


@pytest.mark.parametrize("name", COLLOCATION_SCHEMES)
def test_optimum_and_multipliers_are_those_of_ipopt_where_bounds_are_active(spin, name):
    x0, guess = _spin_start(spin)
    parameters = spin.parameters.values
    for i in range(3):
        parameters[spin.parameters.index(f"lower.control[{i}]")] = -0.5
        parameters[spin.parameters.index(f"upper.control[{i}]")] = 0.5
    native, ipopt = (
        Collocation(spin, scheme=name, backend=backend, real_time_iteration=False, tolerance=1e-9)
        for backend in ("native", "ipopt")
    )
    one, other = (solver.solve(x0, parameters, np.zeros((spin.N + 1, 0)), guess) for solver in (native, ipopt))
    assert one.status is other.status is Status.CONVERGED
    assert np.abs(one.multipliers).max() > 0.1
    assert one.cost == pytest.approx(other.cost, rel=1e-8)
    np.testing.assert_allclose(one.trajectory.states, other.trajectory.states, atol=1e-5)
    np.testing.assert_allclose(one.multipliers, other.multipliers, atol=1e-5)
    at_start = native.multipliers_of(one, 0)
    assert list(at_start) == ["control[0]", "control[1]", "control[2]"]
    np.testing.assert_array_equal(list(at_start.values()), one.multipliers[:3])


@pytest.mark.parametrize("robot_name", ROBOTS)
def test_the_native_optimum_is_that_of_ipopt_on_the_same_equations(robot_name):
    robot = load_robot(robot_name)
    problem = robot.tasks[robot.default_task]().problem
    task = robot.tasks[robot.default_task]()
    manifold = problem.dynamics.manifold
    rng = np.random.default_rng(4)
    x0 = manifold.retract(np.asarray(task.initial_state, dtype=float), 0.01 * rng.normal(size=manifold.ndx))
    reference, guess = task.reference(problem.times), _constant_guess(problem, x0, robot.neutral)
    native = _solve(Collocation(problem, real_time_iteration=False, tolerance=1e-8, max_iterations=500), x0, guess, reference)
    assert native.status is Status.CONVERGED
    # From the native optimum: a non-convex task may have several.
    ipopt = _solve(Collocation(problem, backend="ipopt", tolerance=1e-9), x0, native.trajectory, reference)
    assert ipopt.status is Status.CONVERGED
    # IPOPT leaves about 2e-8 of its barrier in the cost, which counts where the optimum itself is small.
    assert native.cost == pytest.approx(ipopt.cost, rel=1e-6, abs=1e-7)
