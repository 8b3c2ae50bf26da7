"""iLQR and DDP against IPOPT, a trusted QP solver and closed forms, and on hard cases."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from launch.bench.problems import PROBLEMS
from mpc_controller.model.integrators import ExplicitEuler, RungeKutta4
from mpc_controller.problem.constraint import Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.differential_dynamic_programming import DDP, ILQR
from mpc_controller.solvers.solution import Status
from tests.ipopt_reference import evaluate, solve_with_ipopt
from tests.solvers.linear_quadratic import linear_problem, random_instance, solve_with_piqp
from tests.solvers.problems import constant_guess, mass_chain, solve, spin_to_rest, spin_up, tumbling

METHODS = {"ilqr": ILQR, "ddp": DDP}
BOTH = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
ROLLOUTS = pytest.mark.parametrize("rollout", ["multiple-shooting", "single-shooting"])


@pytest.fixture(scope="module")
def bounded_spin():
    return spin_to_rest()


def test_limits_on_controls_alone_leave_one_iteration_and_the_optimum_of_a_trusted_qp_solver():
    """The sweeps inside solve the problem with its limits; nothing is left for a second linearisation."""
    nx, nu, N = 4, 2, 15
    problem = linear_problem(nx, nu, 1, N, soft=False)
    solver = ILQR(problem, real_time_iteration=False, tolerance=1e-7)
    rng = np.random.default_rng(2)
    iterations, saturated = [], 0
    for _ in range(40):
        instance = dataclasses.replace(
            random_instance(rng, nx, nu, 1, N, soft=False), low=np.full(1, -1e3), high=np.full(1, 1e3)
        )
        solver.reset()
        solution = solve(solver, instance.x0, parameters=instance.parameters(problem))
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


@BOTH
@ROLLOUTS
def test_plans_obey_the_dynamics_and_stay_on_the_manifold(bounded_spin, method, rollout):
    x0 = tumbling()
    solution = solve(method(bounded_spin, rollout=rollout, real_time_iteration=False), x0)
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
    problem = spin_to_rest(name="spin to rest, free", path_constraints=())
    x0 = tumbling()
    optimum = solve(DDP(problem, real_time_iteration=False, tolerance=1e-12), x0).trajectory.controls
    errors = {}
    for name, method in METHODS.items():
        solver = method(problem, rollout="single-shooting")
        solution = solve(solver, x0)
        moved = solution.trajectory.controls + 0.3 * np.sin(np.arange(optimum.size)).reshape(optimum.shape)
        guess = dataclasses.replace(solution.trajectory, controls=moved)
        errors[name] = [np.abs(moved - optimum).max()]
        for _ in range(4):
            guess = solve(solver, x0, guess=guess).trajectory
            errors[name].append(np.abs(guess.controls - optimum).max())
    for before, after in zip(errors["ddp"][:-1], errors["ddp"][1:], strict=True):
        assert after < before**2 or after < 1e-9
    assert errors["ddp"][3] < 1e-9 < 1e-6 < errors["ilqr"][3]


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("method_name", METHODS)
def test_the_optimum_of_the_reference_problems_is_found_from_the_cold_start(name, method_name):
    if (name, method_name) == ("arm", "ddp"):
        pytest.skip("the second derivatives of an arm are built in the test of the robots")
    case = PROBLEMS[name]()
    problem = case.problem
    # An obstacle missed by 1e-6 is worth 1.7e-6 of the racecar's cost: a tighter tolerance than the default.
    solver = METHODS[method_name](problem, real_time_iteration=False, tolerance=1e-7)
    solution = solve(solver, case.initial_state, guess=constant_guess(problem, case.initial_state, case.initial_control))
    assert solution.status is Status.CONVERGED
    p, reference = problem.parameters.values, np.zeros((problem.N + 1, 0))
    cost, violation = evaluate(problem, solution.trajectory.states, solution.trajectory.controls, p, reference)
    assert violation < 1e-6
    # The swing-up of the cart-pole has two optima that solvers find.
    optima = [case.optimum, *([7668.55486590] if name == "cartpole" else [])]
    assert min(abs(cost / optimum - 1) for optimum in optima) < 1e-6


@BOTH
@ROLLOUTS
def test_real_time_iterations_arrive_at_the_optimum(bounded_spin, method, rollout):
    x0 = tumbling()
    converged = solve(method(bounded_spin, real_time_iteration=False, tolerance=1e-9), x0)
    solver = method(bounded_spin, rollout=rollout)
    solution = solve(solver, x0)
    assert solution.status is Status.CONVERGED  # a cold start goes to convergence
    for _ in range(20):
        solution = solve(solver, x0, guess=solution.trajectory)
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
        solution = solve(solver, 0.95 * instance.x0, parameters=p)
        exact = solve(ILQR(problem, real_time_iteration=False, tolerance=1e-8), instance.x0, parameters=p)
        for _ in range(60):
            solution = solve(solver, instance.x0, solution.trajectory, parameters=p)
            assert solution.is_usable
        largest = np.abs(exact.multipliers).max()
        np.testing.assert_allclose(solution.multipliers, exact.multipliers, atol=1e-4 * (1 + largest))
        pressed = max(pressed, largest)
    assert pressed > 1.0


def test_a_deadline_in_the_past_gives_the_guess_back_marked(bounded_spin):
    x0 = tumbling()
    guess, reference = constant_guess(bounded_spin, x0), np.zeros((bounded_spin.N + 1, 0))
    for real_time_iteration in (True, False):
        solver = ILQR(bounded_spin, real_time_iteration=real_time_iteration)
        solution = solver.solve(x0, bounded_spin.parameters.values, reference, guess, time.monotonic_ns())
        assert solution.status is Status.DEADLINE
        np.testing.assert_allclose(solution.trajectory.states, guess.states, atol=1e-15)
        np.testing.assert_array_equal(solution.gains, 0.0)


def test_failures_leave_no_trace():
    problem = linear_problem(4, 2, 3, 10, soft=False)
    instance = random_instance(np.random.default_rng(1), 4, 2, 3, 10, soft=False)
    p = instance.parameters(problem)
    clean = solve(ILQR(problem), instance.x0, parameters=p)
    impossible = dataclasses.replace(instance, low=np.full(3, 1e4), high=np.full(3, np.inf)).parameters(problem)
    solver = ILQR(problem)
    for i in range(300):
        bad = solve(solver, instance.x0, parameters=impossible) if i % 2 else solve(solver, instance.x0 * np.nan, parameters=p)
        assert bad.status is (Status.INFEASIBLE if i % 2 else Status.NUMERICAL_FAILURE)
    after = solve(solver, instance.x0, parameters=p)
    np.testing.assert_array_equal(after.trajectory.controls, clean.trajectory.controls)
    np.testing.assert_array_equal(after.multipliers, clean.multipliers)


def _chain(masses, N, dt=0.1, weight=0.1, limit=1.0):
    return OptimalControlProblem(
        name=f"chain of {masses} masses, {N} steps, weight {weight}",
        dynamics=mass_chain(masses),
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
@pytest.mark.parametrize(("masses", "N", "weight", "limit"), [(1, 1, 0.1, 1.0), (1, 500, 0.1, 1.0), (10, 20, 0.1, 1.0),
                                                              (2, 30, 0.0, 1.0), (2, 30, 0.1, 0.01)])  # fmt: skip
def test_one_and_many_stages_many_states_free_and_saturated_controls_are_solved(method, masses, N, weight, limit):
    problem = _chain(masses, N, weight=weight, limit=limit)
    x0 = np.r_[np.linspace(1.0, -1.0, masses) if masses > 1 else [1.0], np.zeros(masses)]
    solution = solve(method(problem, real_time_iteration=False), x0)
    assert solution.status is Status.CONVERGED
    p, reference = problem.parameters.values, np.zeros((N + 1, 0))
    states, controls = solution.trajectory.states, solution.trajectory.controls
    _, _, cost = solve_with_ipopt(problem, x0, p, reference, (states, controls))
    assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-7)


def test_an_indefinite_hessian_is_regularised():
    """min −½ ω² over bounded torques: no minimum inside, but a corner that the limits give."""
    pushing = spin_up()
    solution = solve(ILQR(pushing, real_time_iteration=False), np.r_[1.0, np.zeros(3), 0.1, 0.1, 0.1])
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(np.abs(solution.trajectory.controls[:3]), 2.0, atol=1e-9)


def test_a_singular_hessian_is_regularised():
    """The last control moves nothing that costs: only the regularisation says what it is."""
    free = OptimalControlProblem(
        name="unweighted",
        dynamics=mass_chain(1),
        integrator=ExplicitEuler(),
        grid=(0.1,) * 5,
        path_costs=(LeastSquares("position", lambda stage: stage.x[0], (1.0,)),),
    )
    solution = solve(ILQR(free, real_time_iteration=False), np.array([1.0, 0.0]))
    assert solution.status is Status.CONVERGED
    assert np.isfinite(solution.gains).all()
    np.testing.assert_allclose(solution.trajectory.states[2:5, 0], 0.0, atol=1e-3)


def test_the_optimum_itself_as_the_guess_stays():
    problem = _chain(2, 30)
    solution = solve(ILQR(problem, real_time_iteration=False), np.zeros(4))
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
