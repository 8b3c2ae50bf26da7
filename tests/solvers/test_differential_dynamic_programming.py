"""iLQR and DDP against IPOPT, a trusted QP solver and closed forms, and on hard cases."""

from __future__ import annotations

import dataclasses
import time

import casadi as ca
import numpy as np
import pytest
import scipy.linalg

from launch.bench.problems import PROBLEMS
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import ExplicitEuler, RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.constraint import Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import GeneralCost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.differential_dynamic_programming import DDP, ILQR
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from robots import ROBOTS, load_robot
from tests.ipopt_reference import evaluate, solve_with_ipopt
from tests.solvers.linear_quadratic import linear_problem, random_instance, solve_with_piqp
from tests.solvers.test_stage_functions import RigidSpin

METHODS = {"ilqr": ILQR, "ddp": DDP}
BOTH = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
ROLLOUTS = pytest.mark.parametrize("rollout", ["multiple-shooting", "single-shooting"])


def _guess(problem, x0, control=None):
    times = (problem.times * 1e9).astype(np.int64)
    u = np.zeros(problem.dynamics.nu) if control is None else control
    return Trajectory.constant(problem.dynamics.manifold, times, x0, u)


def _solve(solver, x0, parameters=None, guess=None):
    problem = solver.problem
    p = problem.parameters.values if parameters is None else parameters
    return solver.solve(x0, p, np.zeros((problem.N + 1, problem.nr)), _guess(problem, x0) if guess is None else guess)


def _changed(instance, **changes):
    return type(instance)(**{**instance.__dict__, **changes})


# Linear-quadratic problems


def _unconstrained(N):
    problem = linear_problem(4, 2, 1, N, soft=False)
    instance = random_instance(np.random.default_rng(5), 4, 2, 1, N, soft=False)
    free = {"low": np.full(1, -np.inf), "high": np.full(1, np.inf), "umax": np.inf, "q": np.zeros(4), "c": np.zeros(4)}
    return problem, _changed(instance, **free)


@BOTH
@ROLLOUTS
def test_a_linear_quadratic_problem_needs_one_iteration_and_one_sweep(method, rollout):
    problem, instance = _unconstrained(10)
    solver = method(problem, rollout=rollout, real_time_iteration=False)
    solution = _solve(solver, instance.x0, instance.parameters(problem))
    assert solution.status is Status.CONVERGED
    assert (solution.iterations, solution.qp_iterations) == (1, 1)


@BOTH
def test_gains_far_from_the_end_are_the_lqr_gain(method):
    problem, instance = _unconstrained(60)
    solution = _solve(method(problem, real_time_iteration=False), instance.x0, instance.parameters(problem))
    A, B = instance.A, instance.B
    P = scipy.linalg.solve_discrete_are(A, B, np.diag(instance.Q), np.diag(instance.R))
    lqr_gain = np.linalg.solve(np.diag(instance.R) + B.T @ P @ B, B.T @ P @ A)
    np.testing.assert_allclose(solution.gains[0], -lqr_gain, rtol=1e-8, atol=1e-10)


def test_limits_on_controls_alone_leave_one_iteration_and_the_optimum_of_a_trusted_qp_solver():
    """The sweeps inside solve the problem with its limits; nothing is left for a second linearisation."""
    nx, nu, N = 4, 2, 15
    problem = linear_problem(nx, nu, 1, N, soft=False)
    solver = ILQR(problem, real_time_iteration=False, tolerance=1e-7)
    rng = np.random.default_rng(2)
    iterations, saturated = [], 0
    for _ in range(40):
        instance = _changed(random_instance(rng, nx, nu, 1, N, soft=False), low=np.full(1, -1e3), high=np.full(1, 1e3))
        solver.reset()
        solution = _solve(solver, instance.x0, instance.parameters(problem))
        _, controls, cost = solve_with_piqp(instance)
        assert solution.status is Status.CONVERGED
        assert solution.cost == pytest.approx(cost, rel=1e-7, abs=1e-7)
        np.testing.assert_allclose(solution.trajectory.controls, controls, atol=1e-4 * (1 + np.abs(controls).max()))
        iterations.append(solution.iterations)
        at_limit = np.abs(solution.trajectory.controls) >= instance.umax * (1 - 1e-12)
        assert not solution.gains[at_limit & (np.abs(_control_multipliers(solver, solution)) > 1e-3)].any()
        saturated += int(at_limit.sum())
    assert np.median(iterations) == 1
    assert saturated > 100


def _control_multipliers(solver, solution):
    nu = solver.problem.dynamics.nu
    named = [solver.multipliers_of(solution, k) for k in range(solver.problem.N)]
    return np.array([[row[f"control[{i}]"] for i in range(nu)] for row in named])


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("nx", "nu", "rows", "N"), [(1, 1, 1, 1), (4, 2, 3, 8), (2, 1, 1, 15), (6, 3, 4, 10)])
def test_random_constrained_problems_have_the_optimum_of_a_trusted_qp_solver(nx, nu, rows, N, soft):
    problem = linear_problem(nx, nu, rows, N, soft=soft)
    solver = ILQR(problem, real_time_iteration=False)
    rng = np.random.default_rng(3)
    for _ in range(60):
        instance = random_instance(rng, nx, nu, rows, N, soft=soft)
        solver.reset()
        solution = _solve(solver, instance.x0, instance.parameters(problem))
        _, _, cost = solve_with_piqp(instance)
        assert solution.status is Status.CONVERGED
        # A row is kept to 1e-6, which is worth its multiplier times as much; soft ones have prices up to 1e4.
        largest = 1 + np.abs(solution.multipliers).max()
        assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-5 * largest)
        assert solution.residuals.inequality <= 1e-6


def test_multipliers_and_controls_fulfil_the_optimality_conditions():
    """Stationarity, signs and complementarity, put together here from the numbers of the instance alone."""
    nx, nu, rows, N = 4, 2, 3, 10
    problem = linear_problem(nx, nu, rows, N, soft=False)
    solver = ILQR(problem, real_time_iteration=False, tolerance=1e-8)
    rng = np.random.default_rng(5)
    active = 0
    for _ in range(20):
        a = random_instance(rng, nx, nu, rows, N, soft=False)
        solution = _solve(solver, a.x0, a.parameters(problem))
        assert solution.status is Status.CONVERGED
        x, u = solution.trajectory.states, solution.trajectory.controls
        adjoint = a.Q * x[N]
        for k in range(N - 1, -1, -1):
            named = solver.multipliers_of(solution, k)
            on_controls = np.array([named[f"control[{i}]"] for i in range(nu)])
            on_rows = np.array([named[f"rows[{i}]"] for i in range(rows)])
            gradient = a.R * u[k] + on_controls + a.D.T @ on_rows + a.B.T @ adjoint
            np.testing.assert_allclose(gradient, 0.0, atol=1e-6 * (1 + np.abs(on_rows).max() + np.abs(adjoint).max()))
            values = np.concatenate([u[k], a.C @ x[k] + a.D @ u[k]])
            low, high = np.r_[np.full(nu, -a.umax), a.low], np.r_[np.full(nu, a.umax), a.high]
            for value, bottom, top, multiplier in zip(values, low, high, np.r_[on_controls, on_rows], strict=True):
                assert bottom - 1e-7 <= value <= top + 1e-7
                if multiplier > 1e-3:
                    assert value == pytest.approx(top, abs=1e-5)
                if multiplier < -1e-3:
                    assert value == pytest.approx(bottom, abs=1e-5)
                active += abs(multiplier) > 1e-3
            adjoint = a.Q * x[k] + a.q + a.C.T @ on_rows + a.A.T @ adjoint
    assert active > 20


def test_a_soft_violation_is_reported_and_costs_its_price():
    """One step, u ≥ 1 softly against ½ u²: min ½ u² + l1 (1 − u) + ½ l2 (1 − u)² has u = (l1 + l2) / (1 + l2) below 1."""
    problem = linear_problem(1, 1, 1, 1, soft=True)
    base = random_instance(np.random.default_rng(0), 1, 1, 1, 1, soft=True)
    numbers = {"A": np.eye(1), "B": np.zeros((1, 1)), "c": np.zeros(1), "Q": np.zeros(1), "R": np.ones(1), "q": np.zeros(1)}
    numbers |= {"x0": np.zeros(1), "umax": 10.0, "C": np.zeros((1, 1)), "D": np.eye(1)}
    numbers |= {"low": np.ones(1), "high": np.full(1, np.inf)}
    solver = ILQR(problem, real_time_iteration=False, tolerance=1e-8)
    for l1, l2 in [(0.2, 1.0), (0.0, 3.0), (2.0, 0.0), (0.0, 0.0)]:
        solution = _solve(solver, np.zeros(1), _changed(base, **numbers, soft=(l1, l2)).parameters(problem))
        wanted = min(1.0, (l1 + l2) / (1 + l2))
        assert solution.status is Status.CONVERGED
        assert solution.trajectory.controls[0, 0] == pytest.approx(wanted, abs=1e-7)
        if l1 + l2 > 0:
            assert solution.slack == pytest.approx(1 - wanted, abs=1e-7)
            assert solution.cost == pytest.approx(wanted**2 / 2 + l1 * (1 - wanted) + l2 * (1 - wanted) ** 2 / 2, abs=1e-7)


@pytest.mark.parametrize("width", [0.0, 1e-5, 1e-3])
def test_equalities_and_narrow_rows_are_kept(width):
    """u₀ + u₁ = 0.1 (± half the width) is always feasible and holds at the optimum."""
    problem = linear_problem(4, 2, 1, 10, soft=False)
    solver = ILQR(problem, real_time_iteration=False)
    rng = np.random.default_rng(11)
    row = {"C": np.zeros((1, 4)), "D": np.ones((1, 2)), "low": np.array([0.1 - width / 2]), "high": np.array([0.1 + width / 2])}
    for _ in range(30):
        instance = _changed(random_instance(rng, 4, 2, 1, 10, soft=False), **row)
        solution = _solve(solver, instance.x0, instance.parameters(problem))
        assert solution.status is Status.CONVERGED
        np.testing.assert_allclose(solution.trajectory.controls.sum(axis=1), 0.1, atol=width / 2 + 2e-6)


# Non-linear problems


def _to_rest(name, *, bounded):
    return OptimalControlProblem(
        name=name,
        dynamics=RigidSpin(),
        integrator=RungeKutta4(),
        grid=(0.05,) * 10 + (0.1,) * 10,
        path_costs=(
            LeastSquares("attitude", lambda stage: 2 * stage.x[1:4], (10.0,) * 3),
            LeastSquares("rate", lambda stage: stage.x[4:], (1.0,) * 3),
            LeastSquares("torque", lambda stage: stage.u, (0.1,) * 3),
        ),
        terminal_costs=(LeastSquares("end", lambda stage: 2 * stage.x[1:4], (30.0,) * 3),),
        path_constraints=(control_bounds((-2.0,) * 3, (2.0,) * 3),) if bounded else (),
    )


@pytest.fixture(scope="module")
def bounded_spin():
    return _to_rest("spin to rest within limits", bounded=True)


def _tumbling(seed=0):
    spin = RigidSpin().manifold
    return spin.retract(np.r_[1.0, np.zeros(6)], np.random.default_rng(seed).normal(size=6))


@BOTH
@ROLLOUTS
def test_plans_obey_the_dynamics_and_stay_on_the_manifold(bounded_spin, method, rollout):
    x0 = _tumbling()
    solution = _solve(method(bounded_spin, rollout=rollout, real_time_iteration=False), x0)
    states, controls = solution.trajectory.states, solution.trajectory.controls
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(np.linalg.norm(states[:, :4], axis=1), 1.0, atol=1e-12)
    p, reference = bounded_spin.parameters.values, np.zeros((bounded_spin.N + 1, 0))
    cost, violation = evaluate(bounded_spin, states, controls, p, reference)
    assert violation < 1e-12  # one full step closes all gaps, and later ones leave none
    assert solution.cost == pytest.approx(cost, rel=1e-12)
    _, _, reference_cost = solve_with_ipopt(bounded_spin, x0, p, reference, (states, controls))
    assert cost == pytest.approx(reference_cost, rel=1e-6)


def test_ddp_converges_quadratically_and_ilqr_linearly():
    """Steps from near the optimum of a smooth problem without constraints: the controls' error, one step after another."""
    problem = _to_rest("spin to rest", bounded=False)
    x0 = _tumbling()
    optimum = _solve(DDP(problem, real_time_iteration=False, tolerance=1e-12), x0).trajectory.controls
    errors = {}
    for name, method in METHODS.items():
        solver = method(problem, rollout="single-shooting")
        solution = _solve(solver, x0)
        moved = solution.trajectory.controls + 0.3 * np.sin(np.arange(optimum.size)).reshape(optimum.shape)
        guess = dataclasses.replace(solution.trajectory, controls=moved)
        errors[name] = [np.abs(moved - optimum).max()]
        for _ in range(4):
            guess = _solve(solver, x0, guess=guess).trajectory
            errors[name].append(np.abs(guess.controls - optimum).max())
    for before, after in zip(errors["ddp"][:-1], errors["ddp"][1:], strict=True):
        assert after < before**2 or after < 1e-9
    assert errors["ddp"][3] < 1e-9 < 1e-6 < errors["ilqr"][3]


@BOTH
@pytest.mark.parametrize("robot_name", ROBOTS)
def test_the_optimum_is_that_of_ipopt_on_every_robot(robot_name, method):
    robot = load_robot(robot_name)
    task = robot.tasks[robot.default_task]()
    problem, p = task.problem, task.problem.parameters.values
    manifold = problem.dynamics.manifold
    x0 = manifold.retract(np.asarray(task.initial_state, float), 0.01 * np.random.default_rng(4).normal(size=manifold.ndx))
    reference = task.reference(problem.times)
    solver = method(problem, real_time_iteration=False)
    solution = solver.solve(x0, p, reference, _guess(problem, x0, robot.neutral))
    assert solution.status is Status.CONVERGED
    states, controls = solution.trajectory.states, solution.trajectory.controls
    cost, violation = evaluate(problem, states, controls, p, reference)
    assert solution.cost == pytest.approx(cost, rel=1e-9)
    assert violation < 1e-6
    _, _, reference_cost = solve_with_ipopt(problem, x0, p, reference, (states, controls))
    # IPOPT leaves about 2e-8 of its barrier in the cost, which counts where the optimum itself is small.
    assert cost == pytest.approx(reference_cost, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("method_name", METHODS)
def test_the_optimum_of_the_reference_problems_is_found_from_the_cold_start(name, method_name):
    if (name, method_name) == ("arm", "ddp"):
        pytest.skip("the second derivatives of an arm are built in the test of the robots")
    case = PROBLEMS[name]()
    problem = case.problem
    # An obstacle missed by 1e-6 is worth 1.7e-6 of the racecar's cost: a tighter tolerance than the default.
    solver = METHODS[method_name](problem, real_time_iteration=False, tolerance=1e-7)
    solution = _solve(solver, case.initial_state, guess=_guess(problem, case.initial_state, case.initial_control))
    assert solution.status is Status.CONVERGED
    p, reference = problem.parameters.values, np.zeros((problem.N + 1, 0))
    cost, violation = evaluate(problem, solution.trajectory.states, solution.trajectory.controls, p, reference)
    assert violation < 1e-6
    # The swing-up of the cart-pole has two optima that solvers find.
    optima = [case.optimum, *([7668.55486590] if name == "cartpole" else [])]
    assert min(abs(cost / optimum - 1) for optimum in optima) < 1e-6


# In the loop


@BOTH
@ROLLOUTS
def test_real_time_iterations_arrive_at_the_optimum(bounded_spin, method, rollout):
    x0 = _tumbling()
    converged = _solve(method(bounded_spin, real_time_iteration=False, tolerance=1e-9), x0)
    solver = method(bounded_spin, rollout=rollout)
    solution = _solve(solver, x0)
    assert solution.status is Status.CONVERGED  # a cold start goes to convergence
    for _ in range(20):
        solution = _solve(solver, x0, guess=solution.trajectory)
        assert solution.status is Status.ITERATION_LIMIT
        assert solution.iterations == 1
    np.testing.assert_allclose(solution.trajectory.controls, converged.trajectory.controls, atol=1e-6)
    np.testing.assert_allclose(solution.multipliers, converged.multipliers, atol=1e-5)


def test_multipliers_of_real_time_iterations_go_on_from_those_before():
    """Single steps from a neighbour's solution arrive at the multipliers of rows that press, as the state stays."""
    problem = linear_problem(4, 2, 3, 10, soft=False)
    rng = np.random.default_rng(5)
    pressed = 0.0
    for _ in range(5):
        instance = random_instance(rng, 4, 2, 3, 10, soft=False)
        p = instance.parameters(problem)
        solver = ILQR(problem)
        solution = _solve(solver, 0.95 * instance.x0, p)
        exact = _solve(ILQR(problem, real_time_iteration=False, tolerance=1e-8), instance.x0, p)
        for _ in range(60):
            solution = _solve(solver, instance.x0, p, solution.trajectory)
            assert solution.is_usable
        largest = np.abs(exact.multipliers).max()
        np.testing.assert_allclose(solution.multipliers, exact.multipliers, atol=1e-4 * (1 + largest))
        pressed = max(pressed, largest)
    assert pressed > 1.0


def test_a_deadline_in_the_past_gives_the_guess_back_marked(bounded_spin):
    x0 = _tumbling()
    guess, reference = _guess(bounded_spin, x0), np.zeros((bounded_spin.N + 1, 0))
    for real_time_iteration in (True, False):
        solver = ILQR(bounded_spin, real_time_iteration=real_time_iteration)
        solution = solver.solve(x0, bounded_spin.parameters.values, reference, guess, time.monotonic_ns())
        assert solution.status is Status.DEADLINE
        np.testing.assert_allclose(solution.trajectory.states, guess.states, atol=1e-15)
        np.testing.assert_array_equal(solution.gains, 0.0)


# Hard cases


@pytest.mark.parametrize("real_time_iteration", [True, False])
def test_an_infeasible_hard_constraint_is_reported_by_name(real_time_iteration):
    """Row 1 wants what the bounded controls cannot give; a feasible neighbour was solved before."""
    problem = linear_problem(4, 2, 3, 10, soft=False)
    instance = random_instance(np.random.default_rng(1), 4, 2, 3, 10, soft=False)
    solver = ILQR(problem, real_time_iteration=real_time_iteration)
    assert _solve(solver, instance.x0, instance.parameters(problem)).is_usable
    low, high = instance.low.copy(), instance.high.copy()
    low[1], high[1] = 1e4, np.inf
    solver.reset()
    solution = _solve(solver, instance.x0, _changed(instance, low=low, high=high).parameters(problem))
    assert solution.status is Status.INFEASIBLE
    assert solution.worst_constraint.startswith("rows[1] at k=")
    assert solution.violation > 1e3
    assert not solution.gains.any()


def test_failures_leave_no_trace():
    problem = linear_problem(4, 2, 3, 10, soft=False)
    instance = random_instance(np.random.default_rng(1), 4, 2, 3, 10, soft=False)
    p = instance.parameters(problem)
    clean = _solve(ILQR(problem), instance.x0, p)
    impossible = _changed(instance, low=np.full(3, 1e4), high=np.full(3, np.inf)).parameters(problem)
    solver = ILQR(problem)
    for i in range(300):
        bad = _solve(solver, instance.x0, impossible) if i % 2 else _solve(solver, instance.x0 * np.nan, p)
        assert bad.status is (Status.INFEASIBLE if i % 2 else Status.NUMERICAL_FAILURE)
    after = _solve(solver, instance.x0, p)
    np.testing.assert_array_equal(after.trajectory.controls, clean.trajectory.controls)
    np.testing.assert_array_equal(after.multipliers, clean.multipliers)


class _Chain(Dynamics):
    """Masses between walls and each other by springs, pushed one by one: x = (positions, velocities)."""

    def __init__(self, masses: int) -> None:
        self.name = "chain"
        self.state_names = tuple(f"q{i}" for i in range(masses)) + tuple(f"v{i}" for i in range(masses))
        self.state_units = ("",) * (2 * masses)
        self.control_names, self.control_units = tuple(f"f{i}" for i in range(masses)), ("",) * masses
        self.manifold = Euclidean(2 * masses)
        self.parameters = Parameters()

    def xdot(self, x, u, p):
        n = self.nu
        q = ca.vertcat(0, x[:n], 0)
        stretch = q[1:] - q[:-1]
        pull = stretch + stretch**3
        return ca.vertcat(x[n:], pull[1:] - pull[:-1] + u)


def _chain(masses, N, dt=0.1, weight=0.1, limit=1.0):
    return OptimalControlProblem(
        name=f"chain of {masses} masses, {N} steps, weight {weight}",
        dynamics=_Chain(masses),
        integrator=RungeKutta4(),
        grid=(dt,) * N,
        path_costs=(
            LeastSquares("state", lambda stage: stage.x, (1.0,) * (2 * masses)),
            *((LeastSquares("force", lambda stage: stage.u, (weight,) * masses),) if weight else ()),
        ),
        terminal_costs=(LeastSquares("end", lambda stage: stage.x, (10.0,) * (2 * masses)),),
        path_constraints=(
            control_bounds((-limit,) * masses, (limit,) * masses),
            state_bounds(range(masses), (-2.0,) * masses, (0.8,) * masses, "position", Soft(10.0, 100.0)),
        ),
    )


@BOTH
@pytest.mark.parametrize(("masses", "N", "weight", "limit"), [(1, 1, 0.1, 1.0), (1, 500, 0.1, 1.0), (20, 20, 0.1, 1.0),
                                                              (2, 30, 0.0, 1.0), (2, 30, 0.1, 0.01)])  # fmt: skip
def test_one_and_many_stages_many_states_free_and_saturated_controls_are_solved(method, masses, N, weight, limit):
    problem = _chain(masses, N, weight=weight, limit=limit)
    x0 = np.r_[np.linspace(1.0, -1.0, masses) if masses > 1 else [1.0], np.zeros(masses)]
    solution = _solve(method(problem, real_time_iteration=False), x0)
    assert solution.status is Status.CONVERGED
    p, reference = problem.parameters.values, np.zeros((N + 1, 0))
    states, controls = solution.trajectory.states, solution.trajectory.controls
    _, _, cost = solve_with_ipopt(problem, x0, p, reference, (states, controls))
    assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-7)


def test_an_indefinite_hessian_is_regularised():
    """min −½ ω² over bounded torques: no minimum inside, but a corner that the limits give."""
    pushing = OptimalControlProblem(
        name="spin up",
        dynamics=RigidSpin(),
        integrator=RungeKutta4(),
        grid=(0.1,) * 5,
        path_costs=(
            GeneralCost("speed", lambda stage: -ca.dot(stage.x[4:], stage.x[4:]) / 2),
            LeastSquares("torque", lambda stage: stage.u, (1e-3,) * 3),
        ),
        path_constraints=(control_bounds((-2.0,) * 3, (2.0,) * 3),),
    )
    solution = _solve(ILQR(pushing, real_time_iteration=False), np.r_[1.0, np.zeros(3), 0.1, 0.1, 0.1])
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(np.abs(solution.trajectory.controls[:3]), 2.0, atol=1e-9)


def test_a_singular_hessian_is_regularised():
    """The last control moves nothing that costs: only the regularisation says what it is."""
    free = OptimalControlProblem(
        name="unweighted",
        dynamics=_Chain(1),
        integrator=ExplicitEuler(),
        grid=(0.1,) * 5,
        path_costs=(LeastSquares("position", lambda stage: stage.x[0], (1.0,)),),
    )
    solution = _solve(ILQR(free, real_time_iteration=False), np.array([1.0, 0.0]))
    assert solution.status is Status.CONVERGED
    assert np.isfinite(solution.gains).all()
    np.testing.assert_allclose(solution.trajectory.states[2:5, 0], 0.0, atol=1e-3)


def test_the_optimum_itself_as_the_guess_stays():
    problem = _chain(2, 30)
    solution = _solve(ILQR(problem, real_time_iteration=False), np.zeros(4))
    assert solution.status is Status.CONVERGED
    assert solution.iterations == 1
    assert not solution.trajectory.controls.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_iterations": 0}, "max_iterations is 0"),
        ({"tolerance": 1.5}, "tolerance is 1.5"),
        ({"rollout": "shooting"}, "'multiple-shooting' or 'single-shooting'"),
    ],
)
def test_options_out_of_range_are_refused_by_name(bounded_spin, options, message):
    with pytest.raises(ValueError, match=message):
        ILQR(bounded_spin, **options)
