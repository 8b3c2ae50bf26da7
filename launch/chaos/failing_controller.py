"""A controller whose solver fails when it is told to: `python -m launch.chaos.failing_controller ROBOT TASK ADDRESS SCHEDULE`.

SCHEDULE is the name of a file with "START COUNT" lines: from the START-th solve on, COUNT of them fail.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import final

from launch.signals import StopSignals
from mpc_controller.arrays import Array
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import Event, Observation, ParameterUpdate, Reference
from mpc_controller.bus.zmq_link import PeerLink
from mpc_controller.node.controller_node import ControllerOptions, control_job, run_controller
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solution import Solution, Status
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.trajectory import Trajectory
from robots import load_robot


@final
class FailingSolver(Solver):
    """Another solver, whose answers are failures at times."""

    def __init__(self, solver: Solver, failures: list[tuple[int, int]]) -> None:
        self._solver, self._failures = solver, failures
        self.problem, self.build_s, self.from_cache = solver.problem, solver.build_s, solver.from_cache
        self._count = 0

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        solution = self._solver.solve(x0, parameters, reference, guess, deadline_ns)
        self._count += 1
        if any(start <= self._count < start + count for start, count in self._failures):
            return replace(solution, status=Status.DIVERGED)
        return solution

    def reset(self) -> None:
        self._solver.reset()


def main(robot_name: str, task_name: str, address: str, schedule: str) -> None:
    """Control until told to stop."""
    lines = Path(schedule).read_text(encoding="utf-8").split("\n")
    failures = [(int(start), int(count)) for start, count in (line.split() for line in lines if line)]
    robot = load_robot(robot_name)
    task = robot.tasks[task_name]()
    options = ControllerOptions(task.solver, plant_timeout_s=60.0)
    with StopSignals() as stop:
        solver = FailingSolver(SOLVERS[task.solver](task.problem), failures)
        control_job(robot, task, solver, options)
        kinds = (Observation, Reference, ParameterUpdate, Event)
        with PeerLink(Endpoints.of(address), newest_only=(), kinds=kinds) as link:
            run_controller(robot, task, solver, link, options, stop.requested)


if __name__ == "__main__":
    main(*sys.argv[1:])
