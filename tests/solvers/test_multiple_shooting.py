"""The solver's contract in the loop: real-time iterations, deadlines, bad numbers, and clean starts after failures."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Manifold
from mpc_controller.problem.constraint import control_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from tests.solvers.problems import spin_up
from tests.solvers.test_stage_functions import RigidSpin

N = 20


@pytest.fixture(scope="module")
def problem():
    return OptimalControlProblem(
        name="spin to rest",
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


def _start(problem, seed=0):
    rng = np.random.default_rng(seed)
    x0 = problem.dynamics.manifold.retract(np.r_[1.0, np.zeros(6)], rng.normal(size=6))
    times = (problem.times * 1e9).astype(np.int64)
    return x0, Trajectory.constant(problem.dynamics.manifold, times, x0, np.zeros(3))


def _solve(solver, x0, guess, **changes):
    arguments = {"parameters": solver.problem.parameters.values, "reference": np.zeros((N + 1, 0))} | changes
    return solver.solve(x0, arguments["parameters"], arguments["reference"], guess)


def test_states_stay_on_the_manifold_and_obey_the_dynamics(problem):
    x0, guess = _start(problem)
    solution = _solve(MultipleShooting(problem, real_time_iteration=False), x0, guess)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(np.linalg.norm(solution.trajectory.states[:, :4], axis=1), 1.0, atol=1e-12)
    f = problem.dynamics.function()
    x, p = x0, problem.dynamics.parameters.values
    for k, dt in enumerate(problem.grid):
        for _ in range(50):  # the flow by small steps of another method
            h, u = dt / 50, solution.trajectory.controls[k]
            middle = x + h / 2 * np.array(f(x, u, p))[:, 0]
            x = x + h * np.array(f(middle, u, p))[:, 0]
        difference = Manifold(7, (0,)).difference(x, solution.trajectory.states[k + 1])
        np.testing.assert_allclose(difference, 0.0, atol=2e-4)


def test_real_time_iterations_arrive_at_the_solution_of_the_full_sqp(problem):
    x0, guess = _start(problem)
    converged = _solve(MultipleShooting(problem, real_time_iteration=False, tolerance=1e-8), x0, guess)
    solver = MultipleShooting(problem)
    solution = _solve(solver, x0, guess)
    for _ in range(20):
        solution = _solve(solver, x0, solution.trajectory)
        assert solution.status is Status.ITERATION_LIMIT
    np.testing.assert_allclose(solution.trajectory.controls, converged.trajectory.controls, atol=1e-4)


def test_a_real_time_iteration_makes_one_linearisation(problem):
    x0, guess = _start(problem)
    solver = MultipleShooting(problem)
    first = _solve(solver, x0, guess)
    assert first.status is Status.CONVERGED  # a cold start goes to convergence
    assert _solve(solver, x0, first.trajectory).iterations == 1


def test_a_deadline_in_the_past_gives_the_guess_back_marked(problem):
    x0, guess = _start(problem)
    solver = MultipleShooting(problem)
    solution = solver.solve(x0, problem.parameters.values, np.zeros((N + 1, 0)), guess, time.monotonic_ns())
    assert solution.status is Status.DEADLINE
    assert not solution.is_usable
    np.testing.assert_allclose(solution.trajectory.states, guess.states, atol=1e-15)
    np.testing.assert_array_equal(solution.gains, 0.0)


@pytest.mark.parametrize("what", ["x0", "parameters", "guess", "size"])
def test_bad_numbers_are_a_status_and_leave_no_trace(problem, what):
    x0, guess = _start(problem)
    clean = _solve(MultipleShooting(problem), x0, guess)
    solver = MultipleShooting(problem)
    for _ in range(20):
        if what == "x0":
            bad = _solve(solver, x0 * np.nan, guess)
        elif what == "parameters":
            bad = _solve(solver, x0, guess, parameters=np.full(len(problem.parameters), np.nan))
        elif what == "size":
            bad = _solve(solver, x0[:-1], guess)
        else:
            bad = _solve(solver, x0, Trajectory(guess.manifold, guess.times, guess.states * np.nan, guess.controls))
        assert bad.status is Status.NUMERICAL_FAILURE
        assert bad.cost == bad.residuals.dynamics == np.inf
        assert not bad.gains.any()
        assert not bad.multipliers.any()
    after = _solve(solver, x0, guess)
    np.testing.assert_array_equal(after.trajectory.controls, clean.trajectory.controls)
    np.testing.assert_array_equal(after.gains, clean.gains)


def test_new_weights_and_bounds_act_without_another_library(problem):
    x0, guess = _start(problem)
    solver = MultipleShooting(problem)
    p = problem.parameters.values
    for i in range(3):
        p[problem.parameters.index(f"lower.control[{i}]")] = -0.3
        p[problem.parameters.index(f"upper.control[{i}]")] = 0.3
    wide, narrow = _solve(solver, x0, guess), _solve(solver, x0, guess, parameters=p)
    assert np.abs(wide.trajectory.controls).max() > 0.5
    assert np.abs(narrow.trajectory.controls).max() <= 0.3 + 1e-9
    assert MultipleShooting(problem).from_cache


def test_the_same_calls_give_the_same_bits(problem):
    x0, guess = _start(problem)
    runs = []
    for _ in range(2):
        solver = MultipleShooting(problem)
        solution = _solve(solver, x0, guess)
        for k in range(5):
            solution = _solve(solver, x0, solution.trajectory.shifted(10_000_000 * (k + 1)))
        runs.append(solution)
    np.testing.assert_array_equal(runs[0].trajectory.states, runs[1].trajectory.states)
    np.testing.assert_array_equal(runs[0].gains, runs[1].gains)


def test_gains_are_the_derivative_of_the_first_control_where_no_bound_is_active(problem):
    x0, guess = _start(problem)
    x0 = problem.dynamics.manifold.retract(np.r_[1.0, np.zeros(6)], 0.02 * np.ones(6))
    solver = MultipleShooting(problem, real_time_iteration=False, tolerance=1e-9)
    base = _solve(solver, x0, guess)
    for j, step in enumerate(1e-5 * np.eye(6)):
        moved = _solve(solver, problem.dynamics.manifold.retract(x0, step), base.trajectory)
        change = (moved.trajectory.controls[0] - base.trajectory.controls[0]) / 1e-5
        # Gauss-Newton gains leave out the curvature of the dynamics: small near rest, not zero.
        np.testing.assert_allclose(base.gains[0][:, j], change, atol=0.02 * np.abs(base.gains[0]).max())


@pytest.mark.parametrize(
    "options", [{"max_iterations": 0}, {"tolerance": 0.0}, {"qp_max_iterations": -1}, {"hessian": "newton"}]
)
def test_bad_options_are_refused_by_name(problem, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        MultipleShooting(problem, **options)


@pytest.fixture
def warm(problem):
    """A solver whose next call is a real-time iteration, and the plan to start it from."""
    x0, guess = _start(problem)
    solver = MultipleShooting(problem)
    return solver, _solve(solver, x0, guess).trajectory


def test_preparation_and_feedback_together_are_a_solve(problem, warm):
    solver, plan = warm
    other = MultipleShooting(problem)
    _solve(other, *_start(problem))
    for _ in range(3):
        solver.prepare(problem.parameters.values, np.zeros((N + 1, 0)), plan)
        phases, whole = solver.feedback(plan.states[0]), _solve(other, plan.states[0], plan)
        assert phases.status is whole.status is Status.ITERATION_LIMIT
        np.testing.assert_array_equal(phases.trajectory.states, whole.trajectory.states)
        np.testing.assert_array_equal(phases.gains, whole.gains)
        plan = whole.trajectory


def test_feedback_embeds_a_state_that_was_not_known_to_first_order(problem, warm):
    """Half the distance to the prepared state leaves a quarter of the difference to a solve that knew the state all along."""
    _, plan = warm
    manifold, direction = problem.dynamics.manifold, np.array([0.1, -0.2, 0.1, 0.3, 0.2, -0.1])
    differences = []
    for distance in (0.1, 0.05):
        x0 = manifold.retract(plan.states[0], distance * direction)
        fresh = [MultipleShooting(problem) for _ in range(2)]
        for each in fresh:
            _solve(each, *_start(problem))
        fresh[0].prepare(problem.parameters.values, np.zeros((N + 1, 0)), plan)
        phases, whole = fresh[0].feedback(x0), _solve(fresh[1], x0, plan)
        np.testing.assert_allclose(phases.trajectory.states[0], x0, atol=1e-15)
        differences.append(np.abs(phases.trajectory.controls - whole.trajectory.controls).max())
    assert 0 < differences[1] < 0.4 * differences[0]


def test_feedback_comes_after_prepare_and_once(problem, warm):
    solver, plan = warm
    with pytest.raises(RuntimeError, match="prepare"):
        solver.feedback(plan.states[0])
    solver.prepare(problem.parameters.values, np.zeros((N + 1, 0)), plan)
    assert solver.feedback(plan.states[0]).is_usable
    with pytest.raises(RuntimeError, match="prepare"):
        solver.feedback(plan.states[0])


def test_feedback_of_a_cold_solver_goes_to_convergence(problem):
    x0, guess = _start(problem)
    solver = MultipleShooting(problem)
    solver.prepare(problem.parameters.values, np.zeros((N + 1, 0)), guess)
    cold = solver.feedback(x0)
    assert cold.status is Status.CONVERGED
    np.testing.assert_array_equal(cold.trajectory.controls, _solve(MultipleShooting(problem), x0, guess).trajectory.controls)


@pytest.mark.parametrize("what", ["nan", "size"])
def test_what_was_prepared_from_bad_numbers_is_a_failure_that_leaves_no_trace(problem, warm, what):
    solver, plan = warm
    p = problem.parameters.values
    solver.prepare(p * np.nan if what == "nan" else p[:-1], np.zeros((N + 1, 0)), plan)
    assert solver.feedback(plan.states[0]).status is Status.NUMERICAL_FAILURE
    _same_as_fresh(solver, {}, *_start(problem))


def test_feedback_after_its_deadline_gives_the_guess_back(problem, warm):
    solver, plan = warm
    solver.prepare(problem.parameters.values, np.zeros((N + 1, 0)), plan)
    x0 = problem.dynamics.manifold.retract(plan.states[0], 0.01 * np.ones(6))
    late = solver.feedback(x0, deadline_ns=0)
    assert late.status is Status.DEADLINE
    np.testing.assert_allclose(late.trajectory.states[0], x0, atol=1e-15)
    np.testing.assert_allclose(late.trajectory.states[1:], plan.states[1:], atol=1e-15)


def _same_as_fresh(solver, options, x0, guess):
    """The next solve of this solver is that of one that never saw anything else, to the last bit."""
    after, fresh = _solve(solver, x0, guess), _solve(MultipleShooting(solver.problem, **options), x0, guess)
    assert after.is_usable
    np.testing.assert_array_equal(after.trajectory.states, fresh.trajectory.states)
    np.testing.assert_array_equal(after.gains, fresh.gains)
    np.testing.assert_array_equal(after.multipliers, fresh.multipliers)


def test_a_deadline_within_the_solve_leaves_no_trace(problem):
    x0, guess = _start(problem)
    options = {"tolerance": 1e-8}
    solver = MultipleShooting(problem, **options)
    reference = np.zeros((N + 1, 0))
    for _ in range(50):
        soon = time.monotonic_ns() + 50_000  # enough to begin, far too little to converge from a cold start
        cut = solver.solve(x0, problem.parameters.values, reference, guess, soon)
        assert cut.status is Status.DEADLINE
        assert np.isfinite(cut.trajectory.states).all()
    _same_as_fresh(solver, options, x0, guess)


def test_reversed_bounds_are_infeasible_by_name_and_leave_no_trace(problem):
    x0, guess = _start(problem)
    solver = MultipleShooting(problem)
    _solve(solver, x0, guess)
    p = problem.parameters.values
    p[problem.parameters.index("upper.control[1]")] = -3.0
    reversed_bounds = _solve(solver, x0, guess, parameters=p)
    assert reversed_bounds.status is Status.INFEASIBLE
    assert reversed_bounds.worst_constraint == "control[1] at k=0"
    assert reversed_bounds.violation == pytest.approx(1.0)
    _same_as_fresh(solver, {}, x0, guess)


def test_a_step_that_leaves_the_dynamics_wildly_unmet_is_not_a_plan(problem):
    x0, guess = _start(problem)
    solver = MultipleShooting(problem)
    plan = _solve(solver, x0, guess).trajectory
    kicked = x0 + np.r_[np.zeros(4), 300.0, -300.0, 300.0]
    assert not _solve(solver, kicked, plan).is_usable
    _same_as_fresh(solver, {}, x0, guess)


def test_a_quaternion_of_length_zero_is_refused_and_others_are_scaled(problem):
    x0, guess = _start(problem)
    assert _solve(MultipleShooting(problem), np.r_[np.zeros(4), x0[4:]], guess).status is Status.NUMERICAL_FAILURE
    scaled = _solve(MultipleShooting(problem), np.r_[1.2 * x0[:4], x0[4:]], guess)
    np.testing.assert_allclose(scaled.trajectory.states[0], x0, atol=1e-14)


def test_plans_start_where_the_robot_is(problem):
    _, guess = _start(problem)
    elsewhere, _ = _start(problem, seed=1)
    solver = MultipleShooting(problem, real_time_iteration=False, max_iterations=1)
    np.testing.assert_allclose(_solve(solver, elsewhere, guess).trajectory.states[0], elsewhere, atol=1e-15)


def test_an_indefinite_hessian_is_regularised(problem):
    """min −½ ω² over bounded torques: no minimum inside, but a corner that the bounds give."""
    pushing = spin_up()
    x0 = np.r_[1.0, np.zeros(3), 0.1, 0.1, 0.1]
    guess = Trajectory.constant(RigidSpin.manifold, np.arange(6, dtype=np.int64), x0, np.zeros(3))
    solver = MultipleShooting(pushing, real_time_iteration=False)
    solution = solver.solve(x0, pushing.parameters.values, np.zeros((6, 0)), guess)
    assert solution.is_usable
    np.testing.assert_allclose(np.abs(solution.trajectory.controls[:3]), 2.0, atol=1e-3)
