"""A robot under model-predictive control in the simulated plant, without processes and without a clock."""

from __future__ import annotations

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.trajectory import Trajectory
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth

PLANT_PERIOD = 0.002


def closed_loop(
    robot: Robot, task: Task, truth: SimTruth, control_period: float, duration_s: float
) -> tuple[Array, Array, list[bool]]:
    """States and controls, a row for every 2 ms, with noisy measurements; and of every plan, whether it was usable.

    A plan is followed with its feedback from the moment of its measurement on, one that is not usable is not followed.
    """
    solver, problem = MultipleShooting(task.problem), task.problem
    plant = MujocoPlant(robot, task.initial_state, truth, 3, PLANT_PERIOD)
    nodes = np.rint(problem.times * 1e9).astype(np.int64)
    plan = Trajectory.constant(robot.dynamics.manifold, nodes, task.initial_state, robot.neutral)
    gain = np.zeros((robot.dynamics.nu, robot.dynamics.manifold.ndx))
    states, controls, usable = [], [], []
    for k in range(round(duration_s / control_period)):
        start_s = k * control_period
        measured, x = plant.read()
        x[robot.measured_indices] = measured
        reference = task.reference(start_s + problem.times)
        solution = solver.solve(x, problem.parameters.values, reference, plan.shifted(round(start_s * 1e9)))
        usable.append(solution.is_usable)
        if solution.is_usable:
            plan, gain = solution.trajectory, solution.gains[0]
        for i in range(round(control_period / PLANT_PERIOD)):
            wanted, u = plan.at(round((start_s + i * PLANT_PERIOD) * 1e9))
            measured, x = plant.read()
            states.append(x.copy())
            x[robot.measured_indices] = measured
            u = np.clip(u + gain @ robot.dynamics.manifold.difference(x, wanted), robot.control_lower, robot.control_upper)
            controls.append(u)
            plant.apply(u)
    assert not plant.failure
    return np.array(states), np.array(controls), usable
