"""Single shooting: against IPOPT, dense QPs and differences; each kind of step, and what it says when it fails."""

from __future__ import annotations

import dataclasses
import time
from typing import get_args

import numpy as np
import pytest

from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.problem.constraint import Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.single_shooting import SingleShooting, Step
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from robots import load_robot
from tests.ipopt_reference import solve_with_ipopt
from tests.problem.double_integrator import problem as double_integrator
from tests.solvers.linear_quadratic import linear_problem, random_instance, solve_with_piqp
from tests.solvers.problems import (
    PlainDynamics,
    RigidSpin,
    first_plan,
    rod,
    runaway,
    solve,
    spin_to_rest,
    tumbling,
)

STEPS = get_args(Step)
FIRST_ORDER = [step for step in STEPS if step != "gauss-newton"]


@pytest.mark.parametrize("robot_name", ["car", "cartpole", "quadrotor"])
def test_lbfgs_has_the_optimum_of_gauss_newton(robot_name):
    """Not on the arm: its torques cost so little that a gradient below 1e-5 says nothing of them."""
    robot = load_robot(robot_name)
    task = robot.tasks[robot.default_task]()
    x0, reference, guess = first_plan(robot, task)
    costs = []
    for step, tolerance in (("gauss-newton", 1e-8), ("lbfgs", 1e-5)):
        solver = SingleShooting(task.problem, step=step, real_time_iteration=False, tolerance=tolerance)
        solution = solve(solver, x0, guess, reference=reference)
        assert solution.status is Status.CONVERGED
        costs.append(solution.cost)
    assert costs[1] == pytest.approx(costs[0], rel=1e-6)


@pytest.mark.parametrize("N", [1, 10, 500])
def test_one_gauss_newton_step_solves_a_linear_quadratic_problem(N):
    problem = linear_problem(4, 2, 1, N, soft=False)
    a = random_instance(np.random.default_rng(5), 4, 2, 1, N, soft=False)
    # Stable: the gradient of an unstable rollout of 500 steps is all rounding.
    A = 0.9 * a.A / np.abs(np.linalg.eigvals(a.A)).max()
    a = dataclasses.replace(a, A=A, low=np.full(1, -np.inf), high=np.full(1, np.inf), umax=np.inf)
    p = a.parameters(problem)
    solution = solve(SingleShooting(problem, real_time_iteration=False), a.x0, parameters=p)
    assert solution.status is Status.CONVERGED
    assert (solution.iterations, solution.qp_iterations) == (1, 1)
    same = solve(MultipleShooting(problem, real_time_iteration=False), a.x0, parameters=p)
    np.testing.assert_allclose(solution.trajectory.controls, same.trajectory.controls, atol=1e-8)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("step", ["gauss-newton", "lbfgs"])
def test_random_constrained_problems_have_the_optimum_of_a_trusted_qp_solver(step, soft):
    problem = linear_problem(4, 2, 3, 10, soft=soft)
    tolerance = 1e-6 if step == "gauss-newton" else 1e-5
    solver = SingleShooting(problem, step=step, real_time_iteration=False, tolerance=tolerance, max_iterations=5000)
    # Prices up to 1e5 on rows of any scale are more than L-BFGS finishes: it ends near, and says so.
    accuracy = {"gauss-newton": 1e-6, "lbfgs": 1e-4 if soft else 1e-5}[step]
    unfinished = 0
    rng = np.random.default_rng(3)
    for _ in range(30):
        a = random_instance(rng, 4, 2, 3, 10, soft=soft)
        solution = solve(solver, a.x0, parameters=a.parameters(problem))
        _, _, cost = solve_with_piqp(a)
        assert solution.is_usable
        unfinished += solution.status is not Status.CONVERGED
        assert solution.cost == pytest.approx(cost, rel=accuracy, abs=accuracy)
    assert unfinished <= (2 if soft and step == "lbfgs" else 0)


@pytest.mark.parametrize("step", ["gauss-newton", "lbfgs"])
def test_a_problem_with_forty_states_is_solved(step):
    problem = OptimalControlProblem(
        name="chain, bounded",
        dynamics=rod(),
        integrator=RungeKutta4(),
        grid=(0.1,) * 10,
        path_costs=(LeastSquares("state", lambda s: s.x, (1.0,) * 40), LeastSquares("u", lambda s: s.u, (0.1,) * 2)),
        path_constraints=(control_bounds((-2.0,) * 2, (1.0,) * 2), state_bounds((39,), (0.6,), (np.inf,), "end")),
    )
    x0 = np.linspace(2.0, 1.0, 40)
    solution = solve(SingleShooting(problem, step=step, real_time_iteration=False), x0)
    _, _, cost = solve_with_ipopt(problem, x0, problem.parameters.values, np.zeros((11, 0)))
    assert solution.status is Status.CONVERGED
    assert solution.cost == pytest.approx(cost, rel=1e-6)
    assert solution.trajectory.states[:, 39].min() == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize("step", FIRST_ORDER)
def test_first_order_steps_arrive_where_newton_does_on_an_easy_problem(step):
    problem = double_integrator(
        grid=(0.1,) * 10,
        path_costs=(LeastSquares("state", lambda s: s.x, (1.0, 0.1)), LeastSquares("effort", lambda s: s.u, (0.5,))),
        path_constraints=(control_bounds((-0.3,), (0.3,)),),
    )
    x0 = np.array([1.0, 0.5])
    optimum = solve(SingleShooting(problem, real_time_iteration=False), x0)
    solution = solve(SingleShooting(problem, step=step, real_time_iteration=False, max_iterations=20000), x0)
    assert solution.status is Status.CONVERGED
    assert np.abs(solution.trajectory.controls).max() <= 0.3 + 1e-12
    assert np.abs(optimum.trajectory.controls).max() == pytest.approx(0.3)  # some press their bound
    np.testing.assert_allclose(solution.trajectory.controls, optimum.trajectory.controls, atol=1e-4)


def test_multipliers_and_gains_of_first_order_steps_are_those_of_gauss_newton():
    """Also of a control on its bound, which answers to nothing, and of a state on its."""
    problem = double_integrator(
        path_constraints=(control_bounds((-2.0,), (2.0,)), state_bounds((1,), (-0.65,), (0.65,), "speed")),
    )
    x0 = np.array([1.0, 0.0])
    solvers = [
        SingleShooting(problem, step=step, real_time_iteration=False, tolerance=1e-7) for step in ("gauss-newton", "lbfgs")
    ]
    newton, lbfgs = (solve(solver, x0) for solver in solvers)
    assert newton.status is lbfgs.status is Status.CONVERGED
    np.testing.assert_allclose(lbfgs.multipliers, newton.multipliers, atol=1e-4)
    assert np.abs(newton.multipliers).max() > 0.01
    pressed = [k for k in range(20) if abs(solvers[0].multipliers_of(newton, k)["control[0]"]) > 1e-3]
    assert pressed
    np.testing.assert_allclose(lbfgs.gains[pressed], 0.0, atol=1e-5)
    np.testing.assert_allclose(newton.gains[pressed], 0.0, atol=1e-2)
    np.testing.assert_allclose(lbfgs.gains[15:], newton.gains[15:], atol=1e-4)  # nothing presses there
    assert np.abs(newton.gains[15:]).max() > 0.1


@pytest.mark.parametrize("step", ["gauss-newton", "lbfgs", "gradient"])
def test_a_soft_row_costs_its_price_and_no_more(step):
    """One step, x₁ = u: u ≥ 1 softly against ½ u² has u = min(1, (l1 + l2)/(1 + l2))."""
    for l1, l2 in [(0.2, 1.0), (0.0, 3.0), (2.0, 0.0)]:
        problem = OptimalControlProblem(
            name="soft",
            dynamics=PlainDynamics("held", 1, 1, lambda x, u: u),
            integrator=RungeKutta4(),
            grid=(1.0,),
            path_costs=(LeastSquares("effort", lambda stage: stage.u, (1.0,)),),
            path_constraints=(state_bounds((0,), (1.0,), (np.inf,), "reach", Soft(l1, l2)),),
        )
        solution = solve(SingleShooting(problem, step=step, real_time_iteration=False, tolerance=1e-7), np.zeros(1))
        wanted = min(1.0, (l1 + l2) / (1 + l2))
        assert solution.status is Status.CONVERGED
        assert solution.trajectory.controls[0, 0] == pytest.approx(wanted, abs=1e-6)
        assert solution.slack == pytest.approx(1 - wanted, abs=1e-6)


@pytest.mark.parametrize("step", STEPS)
def test_saturated_for_the_whole_horizon(step):
    problem = double_integrator(path_constraints=(control_bounds((-0.1,), (0.1,)),))
    solution = solve(SingleShooting(problem, step=step, real_time_iteration=False), np.array([50.0, 0.0]))
    # The last control, which costs and reaches nothing, is a matter of 1e-6 in 2500 for Adam.
    assert solution.is_usable if step == "adam" else solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.trajectory.controls[:-1], -0.1, atol=1e-6)  # an interior point ends inside


@pytest.mark.parametrize("step", STEPS)
def test_controls_without_cost_still_give_a_plan(step):
    idle = double_integrator(
        path_costs=(LeastSquares("state", lambda stage: stage.x, (1.0, 0.1)),),
        path_constraints=(control_bounds((-5.0,), (5.0,)),),
    )
    solution = solve(SingleShooting(idle, step=step, real_time_iteration=False), np.array([1.0, 0.0]))
    assert solution.is_usable
    assert np.isfinite(solution.gains).all()


@pytest.mark.parametrize("step", STEPS)
def test_a_rollout_that_runs_away_is_diverged_and_leaves_finite_numbers(step):
    problem = runaway()
    solver = SingleShooting(problem, step=step)
    clean = solve(solver, np.array([0.2]))
    assert clean.is_usable
    for _ in range(2000):
        solution = solve(solver, np.array([4.0]))
        assert solution.status is Status.DIVERGED
    assert np.isfinite(solution.trajectory.states).all()
    assert not solution.gains.any()
    after = solve(solver, np.array([0.2]))
    np.testing.assert_array_equal(after.trajectory.controls, clean.trajectory.controls)
    np.testing.assert_array_equal(after.gains, clean.gains)


@pytest.mark.parametrize("step", ["gauss-newton", "lbfgs"])
def test_a_hard_constraint_that_cannot_be_kept_is_infeasible_by_name(step):
    problem = double_integrator(
        grid=(0.1,) * 5,
        path_constraints=(control_bounds((-1.0,), (1.0,)), state_bounds((0,), (-np.inf,), (0.5,), "wall")),
    )
    solver = SingleShooting(problem, step=step, real_time_iteration=False)
    solution = solve(solver, np.array([1.0, 0.0]))
    assert solution.status is Status.INFEASIBLE
    assert solution.worst_constraint.startswith("wall[0] at k=")
    assert solution.violation > 0.3
    assert solve(solver, np.array([0.3, 0.0])).status is Status.CONVERGED


@pytest.mark.parametrize("step", STEPS)
def test_deadlines_and_bad_numbers_are_statuses(step):
    problem = spin_to_rest()
    solver, x0 = SingleShooting(problem, step=step), tumbling()
    times = (problem.times * 1e9).astype(np.int64)
    guess = Trajectory.constant(RigidSpin.manifold, times, x0, np.full(3, 0.1))
    p, reference = problem.parameters.values, np.zeros((21, 0))
    late = solver.solve(x0, p, reference, guess, 0)
    assert late.status is Status.DEADLINE
    np.testing.assert_allclose(late.trajectory.states, guess.states, atol=1e-15)
    np.testing.assert_array_equal(late.trajectory.controls, guess.controls)
    cut = solver.solve(x0, p, reference, guess, time.monotonic_ns() + 30_000)
    assert cut.status is Status.DEADLINE
    assert np.isfinite(cut.trajectory.states).all()
    assert solve(solver, x0 * np.nan).status is Status.NUMERICAL_FAILURE
    p[problem.parameters.index("upper.control[1]")] = -3.0
    reversed_bounds = solve(solver, x0, parameters=p)
    assert reversed_bounds.status is Status.INFEASIBLE
    assert reversed_bounds.worst_constraint == "control[1] at k=0"
    after, fresh = solve(solver, x0), solve(SingleShooting(problem, step=step), x0)
    np.testing.assert_array_equal(after.trajectory.controls, fresh.trajectory.controls)
    np.testing.assert_array_equal(after.gains, fresh.gains)


@pytest.mark.parametrize(("step", "steps"), [("gauss-newton", 1), ("gauss-newton", 10), ("lbfgs", 20), ("gradient", 7)])
def test_a_real_time_iteration_makes_the_steps_that_it_is_given(step, steps):
    problem, x0 = spin_to_rest(), tumbling()
    solver = SingleShooting(problem, step=step, steps_per_call=steps, tolerance=1e-9)
    first = solve(solver, x0)
    moved = tumbling(1)
    second = solve(solver, moved, first.trajectory)
    assert second.status in (Status.ITERATION_LIMIT, Status.CONVERGED)
    assert second.iterations <= steps
    np.testing.assert_allclose(second.trajectory.states[0], moved, atol=1e-12)


def test_real_time_iterations_arrive_at_the_solution():
    problem, x0 = spin_to_rest(), tumbling()
    converged = solve(SingleShooting(problem, real_time_iteration=False, tolerance=1e-8), x0)
    solver = SingleShooting(problem, steps_per_call=1)
    solution = solve(solver, tumbling(1))
    for _ in range(30):
        solution = solve(solver, x0, solution.trajectory)
    np.testing.assert_allclose(solution.trajectory.controls, converged.trajectory.controls, atol=1e-4)


def test_a_cold_start_does_not_look_at_the_states_of_the_guess():
    problem, x0 = spin_to_rest(), tumbling()
    times = (problem.times * 1e9).astype(np.int64)
    controls = np.full((20, 3), 0.2)
    guesses = [Trajectory(RigidSpin.manifold, times, np.tile(x, (21, 1)), controls) for x in (x0, tumbling(3))]
    plans = [solve(SingleShooting(problem), x0, guess).trajectory for guess in guesses]
    np.testing.assert_array_equal(plans[0].controls, plans[1].controls)


@pytest.mark.parametrize(
    "options", [{"step": "newton"}, {"steps_per_call": 0}, {"max_iterations": 0}, {"tolerance": 2.0}, {"learning_rate": 0.0}]
)
def test_bad_options_are_refused_by_name(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SingleShooting(spin_to_rest(), **options)
