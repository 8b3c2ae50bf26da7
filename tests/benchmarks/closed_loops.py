"""Real-time iterations in closed loops on the model: time and sweeps of every robot's default task.

python -m tests.benchmarks.closed_loops
"""

from __future__ import annotations

import numpy as np

from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.native.function import NativeFunction
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.trajectory import Trajectory
from robots import ROBOTS, load_robot
from tests.benchmarks.step import one_step

STEPS = 500


def measure(robot: Robot, task: Task) -> str:
    """One row: medians, 99th percentiles and sweeps over STEPS control periods with process noise."""
    problem, rng = task.problem, np.random.default_rng(0)
    manifold = problem.dynamics.manifold
    solver = SOLVERS[task.solver](problem, **task.solver_options)
    step = NativeFunction(one_step(robot, RungeKutta4()), f"one step of {robot.name}")
    nodes = np.rint(problem.times * 1e9).astype(np.int64)
    x, period = task.initial_state, 1 / robot.control_rate_hz
    guess = Trajectory.constant(manifold, nodes, x, robot.neutral)
    micros, sweeps, failed = [], [], 0
    for k in range(STEPS):
        solution = solver.solve(x, problem.parameters.values, task.reference(k * period + problem.times), guess)
        failed += not solution.is_usable
        micros.append(solution.solve_time_ns * 1e-3)
        sweeps.append(solution.qp_iterations)
        (x,) = step(x, solution.trajectory.controls[0], robot.dynamics.parameters.values, np.array([period]))
        x = manifold.normalized(manifold.retract(x, robot.process_std * np.sqrt(period) * rng.normal(size=manifold.ndx)))
        guess = solution.trajectory.shifted(round((k + 1) * period * 1e9))
    us, n = np.array(micros[1:]), np.array(sweeps[1:])  # the first solve starts from nothing and goes to convergence
    times = f"{np.median(us):9.0f} {np.percentile(us, 99):9.0f} {us.max():9.0f}"
    return f"{robot.name:<10} {task.name:<14} {times} {n.mean():8.1f} {n.max():5d} {failed:7d}"


def main() -> None:
    print(f"{'robot':<10} {'task':<14} {'median µs':>9} {'p99 µs':>9} {'max µs':>9} {'sweeps':>8} {'max':>5} {'failed':>7}")
    for name in ROBOTS:
        robot = load_robot(name)
        print(measure(robot, robot.tasks[robot.default_task]()))


if __name__ == "__main__":
    main()
