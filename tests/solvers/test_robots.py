"""The native solver on every task of every robot, against IPOPT on an independent transcription."""

from __future__ import annotations

import pytest

from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solution import Status
from robots import ROBOTS, load_robot
from tests.ipopt_reference import evaluate, solve_with_ipopt
from tests.solvers.problems import first_plan

TASKS = [(name, task) for name in ROBOTS for task in load_robot(name).tasks]


@pytest.mark.parametrize(("robot_name", "task_name"), TASKS)
def test_the_optimum_is_that_of_ipopt(robot_name, task_name):
    robot = load_robot(robot_name)
    task = robot.tasks[task_name]()
    x0, reference, guess = first_plan(robot, task)
    p = task.problem.parameters.values
    solver = SOLVERS["multiple-shooting"](task.problem, real_time_iteration=False, tolerance=1e-8, max_iterations=500)
    solution = solver.solve(x0, p, reference, guess)
    assert solution.status is Status.CONVERGED
    states, controls = solution.trajectory.states, solution.trajectory.controls
    cost, violation = evaluate(task.problem, states, controls, p, reference)
    assert solution.cost == pytest.approx(cost, rel=1e-9)
    assert violation < 1e-6
    # A non-convex task may have several optima: the one next to ours.
    _, _, reference_cost = solve_with_ipopt(task.problem, x0, p, reference, (states, controls))
    # IPOPT leaves about 2e-8 of its barrier in the cost, which counts where the optimum itself is small.
    assert cost == pytest.approx(reference_cost, rel=1e-6, abs=1e-7)
