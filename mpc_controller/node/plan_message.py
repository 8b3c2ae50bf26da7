"""From what was planned to the message that says it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mpc_controller.bus.messages import Observation, Plan
from mpc_controller.control.estimator import Estimate
from mpc_controller.control.receding_horizon import PlannedMotion
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solution import Status


def plan_message(
    empty: Plan, task: Task, sequence: int, observation: Observation, estimate: Estimate, motion: PlannedMotion
) -> Plan:
    """`empty` filled in. What is unknown after a failed solve (its cost, the errors of a state that is not finite) is inf."""
    solution = motion.solution
    errors = task.errors(motion.state, motion.reference[0])
    plan = replace(
        empty,
        sequence=sequence,
        answers_sequence=observation.sequence,
        start_ns=motion.start_ns,
        valid_until_ns=motion.start_ns,
        status=int(solution.status),
        reference=motion.reference[0],
        estimate=motion.state,
        disturbance=estimate.disturbance,
        tracking={name: _known(error) for name, error in errors.items()},
        cost=_known(solution.cost),
        iterations=solution.iterations,
        qp_iterations=solution.qp_iterations,
        worst_constraint=solution.worst_constraint,
        solve_time_ns=solution.solve_time_ns,
    )
    if not solution.is_usable:
        return plan
    trajectory = solution.trajectory
    return replace(
        plan,
        valid_until_ns=int(trajectory.times[-1]),
        times=trajectory.times,
        states=trajectory.states,
        controls=trajectory.controls,
        gains=solution.gains,
    )


def empty_plan(robot: Robot, task: Task, solver: str, epoch: int) -> Plan:
    """A plan without a trajectory, as a failed solve is sent: its arrays are those that come out of the bus."""
    none = np.zeros(0)
    return Plan(
        robot=robot.name,
        model_hash=robot.model_hash,
        epoch=epoch,
        sequence=0,
        answers_sequence=0,
        start_ns=0,
        valid_until_ns=0,
        status=int(Status.NUMERICAL_FAILURE),
        times=np.zeros(0, dtype=np.int64),
        states=np.zeros((0, 0)),
        controls=np.zeros((0, 0)),
        gains=np.zeros((0, 0, 0)),
        reference=none,
        estimate=none,
        disturbance=none,
        tracking={},
        cost=0.0,
        iterations=0,
        qp_iterations=0,
        worst_constraint="",
        solve_time_ns=0,
        loop_time_ns=0,
        deadline_missed=False,
        task=task.name,
        solver=solver,
    )


def _known(value: float) -> float:
    return math.inf if math.isnan(value) else float(value)
