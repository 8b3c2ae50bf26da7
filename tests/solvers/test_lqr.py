"""The linear-quadratic regulator: closed forms, the cost of an endless horizon, and the baseline solver."""

from __future__ import annotations

import dataclasses
import time

import casadi as ca
import numpy as np
import pytest
import scipy.linalg

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import ExplicitEuler, RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.constraint import control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.lqr import LinearQuadraticRegulator
from mpc_controller.solvers.lqr_terminal_cost import lqr_terminal_cost
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.riccati import RegulatorError, finite_horizon_lqr, infinite_horizon_lqr
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from robots import load_robot
from tests.ipopt_reference import evaluate
from tests.problem.double_integrator import problem as double_integrator
from tests.solvers.linear_quadratic import linear_problem, random_instance
from tests.solvers.test_stage_functions import RigidSpin


def _varying(rng, N, nx, nu):
    """Random time-varying matrices with a positive definite Hessian of every stage."""
    root = rng.normal(size=(N, nx + nu, nx + nu))
    H = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(nx + nu)
    end = rng.normal(size=(nx, nx))
    return {
        "A": rng.normal(size=(N, nx, nx)) / np.sqrt(nx), "B": rng.normal(size=(N, nx, nu)),
        "Q": H[:, :nx, :nx], "R": H[:, nx:, nx:], "S": H[:, :nx, nx:],
        "q": rng.normal(size=(N, nx)), "r": rng.normal(size=(N, nu)), "c": rng.normal(size=(N, nx)),
        "Q_N": end @ end.T, "q_N": rng.normal(size=nx),
    }  # fmt: skip


def _follow(m, feedback, x0):
    x, controls = [x0], []
    for k in range(len(feedback.gains)):
        controls.append(feedback.gains[k] @ x[-1] + feedback.offsets[k])
        x.append(m["A"][k] @ x[-1] + m["B"][k] @ controls[-1] + m["c"][k])
    return np.array(x), np.array(controls)


@pytest.mark.parametrize(("N", "nx", "nu"), [(1, 1, 1), (7, 4, 2), (30, 3, 3)])
def test_affine_time_varying_feedback_is_the_solution_of_the_dense_optimality_system(N, nx, nu):
    m = _varying(np.random.default_rng(N), N, nx, nu)
    x0 = np.ones(nx)
    # Unknowns: u_0..u_{N−1}, x_1..x_N, π_1..π_N of min ½ zᵀHz + hᵀz s.t. G z = b.
    n = N * (nu + nx)
    H, h, G, b = np.zeros((n, n)), np.zeros(n), np.zeros((N * nx, n)), np.zeros(N * nx)
    for k in range(N):
        u, x, ahead = (slice(k * nu, (k + 1) * nu), *(slice(N * nu + i * nx, N * nu + (i + 1) * nx) for i in (k - 1, k)))
        row = slice(k * nx, (k + 1) * nx)
        H[u, u], h[u] = m["R"][k], m["r"][k]
        G[row, ahead], G[row, u], b[row] = np.eye(nx), -m["B"][k], m["c"][k]
        if k == 0:
            h[u] += m["S"][0].T @ x0
            b[row] += m["A"][0] @ x0
        else:
            H[x, x], H[x, u], H[u, x], h[x] = m["Q"][k], m["S"][k], m["S"][k].T, m["q"][k]
            G[row, x] = -m["A"][k]
    H[n - nx :, n - nx :], h[n - nx :] = m["Q_N"], m["q_N"]
    z = np.linalg.solve(np.block([[H, G.T], [G, np.zeros((N * nx, N * nx))]]), np.concatenate([-h, b]))
    states, controls = _follow(m, finite_horizon_lqr(**m), x0)
    np.testing.assert_allclose(controls.ravel(), z[: N * nu], atol=1e-8 * (1 + np.abs(z).max()))
    np.testing.assert_allclose(states[1:].ravel(), z[N * nu : n], atol=1e-8 * (1 + np.abs(z).max()))


def test_time_varying_feedback_minimises_the_stacked_least_squares():
    N, nx, nu = 12, 3, 2
    m = _varying(np.random.default_rng(2), N, nx, nu) | {"S": np.zeros((N, nx, nu)), "q_N": np.zeros(nx)}
    m |= {"q": np.zeros((N, nx)), "r": np.zeros((N, nu))}
    x0 = np.array([1.0, -2.0, 0.5])
    effect, free, rows, targets = np.zeros((nx, N * nu)), x0, [], []
    for k in range(N):
        choose = np.eye(N * nu)[k * nu : (k + 1) * nu]
        for weight, J, value in ((m["Q"][k], effect, free), (m["R"][k], choose, np.zeros(nu))):
            root = np.linalg.cholesky(weight).T
            rows.append(root @ J)
            targets.append(-root @ value)
        effect, free = m["A"][k] @ effect + m["B"][k] @ choose, m["A"][k] @ free + m["c"][k]
    root = scipy.linalg.sqrtm(m["Q_N"]).real
    stacked = np.linalg.lstsq(np.vstack([*rows, root @ effect]), np.concatenate([*targets, -root @ free]), rcond=None)[0]
    _, controls = _follow(m, finite_horizon_lqr(**m), x0)
    np.testing.assert_allclose(controls.ravel(), stacked, atol=1e-8)


def test_the_cost_to_go_is_the_cost_of_following_the_feedback():
    m = _varying(np.random.default_rng(3), 9, 3, 2)
    feedback = finite_horizon_lqr(**m)

    def cost(x0):
        x, u = _follow(m, feedback, x0)
        total = 0.5 * x[-1] @ m["Q_N"] @ x[-1] + m["q_N"] @ x[-1]
        for k in range(9):
            total += 0.5 * x[k] @ m["Q"][k] @ x[k] + x[k] @ m["S"][k] @ u[k] + 0.5 * u[k] @ m["R"][k] @ u[k]
            total += m["q"][k] @ x[k] + m["r"][k] @ u[k]
        return total

    x0 = np.array([0.3, -1.0, 2.0])
    assert cost(x0) - cost(np.zeros(3)) == pytest.approx(0.5 * x0 @ feedback.P[0] @ x0 + feedback.p[0] @ x0, rel=1e-10)


def test_far_from_the_end_the_gain_is_that_of_the_endless_horizon():
    rng = np.random.default_rng(4)
    A, B, S = rng.normal(size=(4, 4)), rng.normal(size=(4, 2)), 0.1 * rng.normal(size=(4, 2))
    Q, R = np.diag([1.0, 2.0, 3.0, 4.0]), np.diag([0.5, 0.2])
    K, P = infinite_horizon_lqr(A, B, Q, R, S)
    finite = finite_horizon_lqr(A, B, Q, R, np.eye(4), horizon=300, S=S)
    np.testing.assert_allclose(finite.gains[0], K, rtol=1e-9)
    np.testing.assert_allclose(finite.P[0], P, rtol=1e-9)
    np.testing.assert_allclose(P, scipy.linalg.solve_discrete_are(A, B, Q, R, s=S), rtol=1e-12)


def test_the_double_integrator_has_its_textbook_regulator():
    """min ∫ ½ (q² + u²) with q̈ = u: K = −(1, √2) and P = (√2, 1; 1, √2)."""
    K, P = infinite_horizon_lqr(
        np.array([[0.0, 1], [0, 0]]), np.array([[0.0], [1]]), np.diag([1.0, 0]), np.eye(1), continuous=True
    )
    root = np.sqrt(2)
    np.testing.assert_allclose(K, [[-1, -root]], atol=1e-12)
    np.testing.assert_allclose(P, [[root, 1], [1, root]], atol=1e-12)


def test_a_scalar_regulator_is_the_root_of_its_quadratic():
    """x⁺ = a x + b u: P = q + a²P − (abP)²/(r + b²P)."""
    a, b, q, r = 1.5, 0.7, 2.0, 0.3
    middle = r - q * b * b - a * a * r
    root = (-middle + np.sqrt(middle * middle + 4 * b * b * q * r)) / (2 * b * b)
    K, P = infinite_horizon_lqr(np.array([[a]]), np.array([[b]]), np.array([[q]]), np.array([[r]]))
    assert P[0, 0] == pytest.approx(root, rel=1e-12)
    assert K[0, 0] == pytest.approx(-a * b * root / (r + b * b * root), rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"R": -np.eye(1)}, "R has the eigenvalue -1"),
        ({"A": np.diag([2.0, 0.5]), "B": np.array([[0.0], [1.0]])}, "no control reaches the mode with the eigenvalue 2"),
        ({"A": np.eye(2), "B": np.eye(2), "R": np.eye(2), "Q": np.diag([1.0, 0.0])}, "no stabilising solution"),
        ({"Q": np.eye(3)}, r"Q has shape \(3, 3\); expected \(2, 2\)"),
    ],
)
def test_an_impossible_regulator_is_refused_with_the_reason(changes, message):
    matrices = {"A": np.array([[1.0, 0.1], [0, 1]]), "B": np.array([[0.0], [0.1]]), "Q": np.eye(2), "R": np.eye(1)} | changes
    with pytest.raises(RegulatorError, match=message):
        infinite_horizon_lqr(**matrices)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "horizons are not given"),
        ({"horizon": 3, "q": np.zeros((4, 2))}, "horizons are {'horizon': 3, 'q': 4}"),
        ({"horizon": 3, "c": np.zeros(3)}, r"c has shape \(3,\)"),
        ({"horizon": 3, "R": -10 * np.eye(1)}, "at k=2 is not positive definite"),
        ({"horizon": 3, "Q_N": np.eye(3)}, "Q_N has shape"),
    ],
)
def test_a_finite_horizon_that_does_not_fit_is_refused_by_name(changes, message):
    matrices = {"A": np.eye(2), "B": np.ones((2, 1)), "Q": np.eye(2), "R": np.eye(1), "Q_N": np.eye(2)} | changes
    with pytest.raises(RegulatorError, match=message):
        finite_horizon_lqr(**matrices)


def _solve(solver, x0, guess=None, **changes):
    problem = solver.problem
    times = (problem.times * 1e9).astype(np.int64)
    guess = guess or Trajectory.constant(problem.dynamics.manifold, times, x0, np.zeros(problem.dynamics.nu))
    given = {"parameters": problem.parameters.values, "reference": np.zeros((problem.N + 1, problem.nr))} | changes
    return solver.solve(x0, given["parameters"], given["reference"], guess)


def test_with_the_regulators_cost_at_its_end_a_horizon_is_as_good_as_endless():
    base = double_integrator()
    closed = dataclasses.replace(base, terminal_costs=(lqr_terminal_cost(base, np.zeros(2), np.zeros(1)),))
    x0 = np.array([1.0, -0.5])
    short = _solve(MultipleShooting(closed, real_time_iteration=False), x0)
    endless = _solve(MultipleShooting(double_integrator(grid=(0.1,) * 400), real_time_iteration=False), x0)
    assert short.cost == pytest.approx(endless.cost, rel=1e-10)
    np.testing.assert_allclose(short.gains, np.broadcast_to(endless.gains[0], short.gains.shape), rtol=1e-8)


def test_a_hovering_quadrotor_gets_the_cost_of_its_endless_hover():
    """Attitude included: P is in the tangent space of the quaternion."""
    robot = load_robot("quadrotor")
    task = robot.tasks["hover"]()
    x = np.asarray(task.reference(np.array([100.0]))[0])
    base = task.problem
    thrust = x[13:17]
    cost = lqr_terminal_cost(base, x, thrust, reference=x)
    x0 = base.dynamics.manifold.retract(x, 0.003 * np.random.default_rng(1).normal(size=16))
    costs = []
    for problem in (
        dataclasses.replace(base, name="short", grid=(0.05,) * 5, terminal_costs=(cost,)),
        dataclasses.replace(base, name="long", grid=(0.05,) * 200, terminal_costs=()),
    ):
        times = (problem.times * 1e9).astype(np.int64)
        guess = Trajectory.constant(problem.dynamics.manifold, times, x0, thrust)
        solver = MultipleShooting(problem, real_time_iteration=False)
        costs.append(_solve(solver, x0, guess, reference=np.tile(x, (problem.N + 1, 1))).cost)
    # Exact to second order only: the rest is cubic in deviations of 0.003.
    assert costs[0] == pytest.approx(costs[1], rel=1e-3)


def test_a_terminal_cost_needs_a_point_where_everything_rests():
    base = double_integrator()
    with pytest.raises(RegulatorError, match=r"no equilibrium: it moves by 0\.1"):
        lqr_terminal_cost(base, np.array([0.0, 1.0]), np.zeros(1))
    with pytest.raises(RegulatorError, match="not least at state"):
        lqr_terminal_cost(base, np.array([1.0, 0.0]), np.zeros(1))
    with pytest.raises(RegulatorError, match=r"control is .*; expected 1 finite"):
        lqr_terminal_cost(base, np.zeros(2), np.zeros(2))


def _unconstrained(nx, nu, N):
    problem = linear_problem(nx, nu, 1, N, soft=False)
    instance = random_instance(np.random.default_rng(5), nx, nu, 1, N, soft=False)
    return problem, dataclasses.replace(instance, low=np.full(1, -np.inf), high=np.full(1, np.inf), umax=np.inf)


@pytest.mark.parametrize(("nx", "nu", "N"), [(1, 1, 1), (4, 2, 10), (3, 2, 500)])
def test_a_linear_quadratic_problem_is_solved_exactly_by_one_sweep_from_any_guess(nx, nu, N):
    problem, a = _unconstrained(nx, nu, N)
    if N > 100:  # the gradient of an unstable rollout this long is all rounding
        a = dataclasses.replace(a, A=0.9 * a.A / np.abs(np.linalg.eigvals(a.A)).max())
    rng = np.random.default_rng(1)
    times = (problem.times * 1e9).astype(np.int64)
    guess = Trajectory(problem.dynamics.manifold, times, rng.normal(size=(N + 1, nx)), rng.normal(size=(N, nu)))
    p = a.parameters(problem)
    solution = _solve(LinearQuadraticRegulator(problem), a.x0, guess, parameters=p)
    feedback = finite_horizon_lqr(a.A, a.B, np.diag(a.Q), np.diag(a.R), np.diag(a.Q), horizon=N, q=a.q, c=a.c)
    x = a.x0
    for k in range(N):
        u = feedback.gains[k] @ x + feedback.offsets[k]
        np.testing.assert_allclose(solution.trajectory.controls[k], u, atol=1e-8 * (1 + np.abs(u).max()))
        x = a.A @ x + a.B @ u + a.c
    np.testing.assert_allclose(solution.gains, feedback.gains, rtol=1e-7, atol=1e-9)
    assert solution.status is Status.CONVERGED
    assert (solution.iterations, solution.qp_iterations) == (1, 1)
    assert solution.residuals.stationarity < 1e-6


def test_a_chain_of_forty_states_is_solved_exactly():
    N, nx = 15, 40
    problem = OptimalControlProblem(
        name="chain",
        dynamics=Chain(),
        integrator=ExplicitEuler(),
        grid=(0.1,) * N,
        path_costs=(
            LeastSquares("state", lambda stage: stage.x, (1.0,) * nx),
            LeastSquares("u", lambda stage: stage.u, (0.1,) * 2),
        ),
    )
    A = np.eye(nx) + 0.1 * (np.eye(nx, k=1) - 2 * np.eye(nx) + np.eye(nx, k=-1))
    B = np.zeros((nx, 2))
    B[0, 0] = B[-1, 1] = 0.1
    x = np.random.default_rng(3).normal(size=nx)
    solution = _solve(LinearQuadraticRegulator(problem), x)
    feedback = finite_horizon_lqr(A, B, 0.1 * np.eye(nx), 0.01 * np.eye(2), np.zeros((nx, nx)), horizon=N)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.gains, feedback.gains, atol=1e-12)
    np.testing.assert_allclose(solution.trajectory.controls[0], feedback.gains[0] @ x, atol=1e-12)


@pytest.fixture(scope="module")
def spin():
    return OptimalControlProblem(
        name="spin to rest, LQR",
        dynamics=RigidSpin(),
        integrator=RungeKutta4(),
        grid=(0.05,) * 10 + (0.1,) * 10,
        path_costs=(
            LeastSquares("attitude", lambda stage: 2 * stage.x[1:4], (10.0,) * 3),
            LeastSquares("rate", lambda stage: stage.x[4:], (1.0,) * 3),
            LeastSquares("torque", lambda stage: stage.u, (0.1,) * 3),
        ),
        terminal_costs=(LeastSquares("end", lambda stage: 2 * stage.x[1:4], (30.0,) * 3),),
        path_constraints=(control_bounds((-2.0,) * 3, (2.0,) * 3),),
    )


def _turned(angle):
    return RigidSpin.manifold.retract(np.r_[1.0, np.zeros(6)], np.r_[angle * np.ones(3), np.zeros(3)])


def test_gains_on_the_sphere_are_those_of_the_unconstrained_programme(spin):
    x0 = _turned(0.1)
    free = dataclasses.replace(spin, name="spin, no bounds", path_constraints=())
    programme = _solve(MultipleShooting(free, real_time_iteration=False, max_iterations=1), x0)
    solution = _solve(LinearQuadraticRegulator(spin), x0)
    np.testing.assert_allclose(solution.gains, programme.gains, atol=1e-9)


def test_the_plan_obeys_the_model_with_controls_inside_their_bounds(spin):
    solution = _solve(LinearQuadraticRegulator(spin), _turned(1.2))
    states, controls = solution.trajectory.states, solution.trajectory.controls
    assert np.abs(controls).max() == pytest.approx(2.0, abs=1e-12)
    cost, violation = evaluate(spin, states, controls, spin.parameters.values, np.zeros((21, 0)))
    assert violation < 1e-12
    assert solution.cost == pytest.approx(cost, rel=1e-12)


def test_sweeps_about_their_own_plan_settle_at_the_optimum(spin):
    solver, x0 = LinearQuadraticRegulator(spin, tolerance=1e-7), _turned(0.15)  # little enough for no control to saturate
    solution = _solve(solver, x0)
    assert solution.status is Status.ITERATION_LIMIT
    for _ in range(20):
        solution = _solve(solver, x0, solution.trajectory)
    optimum = _solve(MultipleShooting(spin, real_time_iteration=False, tolerance=1e-8), x0)
    assert solution.status is Status.CONVERGED
    assert solution.cost == pytest.approx(optimum.cost, rel=1e-9)


def test_a_state_constraint_is_ignored_and_its_violation_reported():
    bounded = double_integrator(path_constraints=(state_bounds((1,), (-0.1,), (0.1,), "speed"),))
    solution = _solve(LinearQuadraticRegulator(bounded), np.array([1.0, 0.0]))
    free = _solve(LinearQuadraticRegulator(double_integrator()), np.array([1.0, 0.0]))
    np.testing.assert_allclose(solution.trajectory.controls, free.trajectory.controls, atol=1e-12)
    assert solution.status is Status.ITERATION_LIMIT
    assert solution.worst_constraint.startswith("speed[0] at k=")
    assert solution.violation == pytest.approx(np.abs(solution.trajectory.states[:, 1]).max() - 0.1)


def test_failures_are_statuses_that_leave_the_guess_and_no_trace(spin):
    solver, x0 = LinearQuadraticRegulator(spin), _turned(0.3)
    clean = _solve(solver, x0)
    late = solver.solve(x0, spin.parameters.values, np.zeros((21, 0)), clean.trajectory, time.monotonic_ns())
    assert late.status is Status.DEADLINE
    np.testing.assert_allclose(late.trajectory.states, clean.trajectory.states, atol=1e-15)
    p = spin.parameters.values
    p[spin.parameters.index("upper.control[1]")] = -3.0
    for _ in range(2000):
        assert _solve(solver, np.full(7, np.nan)).status is Status.NUMERICAL_FAILURE
        reversed_bounds = _solve(solver, x0, clean.trajectory, parameters=p)
        assert reversed_bounds.status is Status.INFEASIBLE
    assert reversed_bounds.worst_constraint == "control[1] at k=0"
    after = _solve(solver, x0)
    np.testing.assert_array_equal(after.trajectory.controls, clean.trajectory.controls)
    np.testing.assert_array_equal(after.gains, clean.gains)


def test_a_sweep_without_a_minimum_is_regularised_or_refused():
    """No cost on the control at all, so that the last one, which reaches nothing that costs, has no optimum."""
    idle = double_integrator(path_costs=(LeastSquares("state", lambda stage: stage.x, (1.0, 0.1)),))
    solution = _solve(LinearQuadraticRegulator(idle), np.array([1.0, 0.0]))
    assert solution.is_usable
    nearly = double_integrator(path_costs=(*idle.path_costs, LeastSquares("effort", lambda stage: stage.u, (1e-9,))))
    assert solution.cost == pytest.approx(_solve(LinearQuadraticRegulator(nearly), np.array([1.0, 0.0])).cost, rel=1e-3)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, -1.0])
def test_bad_options_are_refused_by_name(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        LinearQuadraticRegulator(double_integrator(), tolerance=tolerance)


class Chain(Dynamics):
    """Heat along a rod of 40 pieces, driven at both ends: ẋᵢ = xᵢ₋₁ − 2xᵢ + xᵢ₊₁."""

    name = "chain"
    state_names, state_units = tuple(f"x{i}" for i in range(40)), ("",) * 40
    control_names, control_units = ("left", "right"), ("",) * 2
    manifold = Euclidean(40)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        padded = ca.vertcat(u[0], x, u[1])
        return padded[:-2] - 2 * x + padded[2:]


class _Cubic(Dynamics):
    """ẋ = x³ + u: from beyond 1 it is infinite within the horizon."""

    name = "cubic"
    state_names, state_units = ("x",), ("",)
    control_names, control_units = ("u",), ("",)
    manifold = Euclidean(1)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return x**3 + u


def test_a_law_that_runs_away_is_diverged():
    """ẋ = x³ + u, of which the sweep sees the tangent at a guess of zeros: none at all."""
    grows = double_integrator(
        name="cubic",
        dynamics=_Cubic(),
        path_costs=(LeastSquares("state", lambda stage: stage.x, (1.0,)), LeastSquares("u", lambda stage: stage.u, (1.0,))),
        path_constraints=(control_bounds((-1.0,), (1.0,)),),
    )
    guess = Trajectory.constant(grows.dynamics.manifold, (grows.times * 1e9).astype(np.int64), np.zeros(1), np.zeros(1))
    solution = _solve(LinearQuadraticRegulator(grows), np.array([1.5]), guess)
    assert solution.status is Status.DIVERGED
    assert np.isfinite(solution.trajectory.states).all()
