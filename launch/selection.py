"""What users name: robots, tasks, solvers, estimators."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from launch.errors import CommandError, ExitCode
from mpc_controller.control.command_delay import control_delay_of
from mpc_controller.identification.excitation.experiment import excitation_of, excitation_task
from mpc_controller.identification.excitation.experiment_file import load_experiment
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.residual.residual_file import check_belongs, load_residual
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solver import Solver
from robots import load_robot


def robot_with(name: str, parameters: Path | None, plant_rate_hz: float | None) -> Robot:
    """The named robot, with the values of a parameter file and another rate where they are given.

    Raises RobotError or ParameterError.
    """
    robot = load_robot(name)
    if plant_rate_hz is not None:
        robot = replace(robot, plant_rate_hz=plant_rate_hz)
    if parameters is None:
        return robot
    loaded = load_parameters(parameters, robot.dynamics.nominal.parameters)
    return with_parameters(robot, loaded.as_dict(), control_delay_of(loaded))


def with_parameters(robot: Robot, values: Mapping[str, float], control_delay_s: float = 0.0) -> Robot:
    """The robot with other values of its model's parameters, and other delay of its commands. Raises ParameterError."""
    dynamics = copy.copy(robot.dynamics)
    dynamics.parameters = dynamics.parameters.with_values(values)
    dynamics.nominal = copy.copy(dynamics.nominal)
    dynamics.nominal.parameters = dynamics.nominal.parameters.with_values(values)
    return replace(robot, dynamics=dynamics, control_delay_s=control_delay_s)


def task_of(robot: Robot, name: str | None) -> Task:
    """The named task, or the robot's default. Raises CommandError."""
    chosen = name or robot.default_task
    if chosen not in robot.tasks:
        raise _unknown(f"{robot.name} has no task '{chosen}'", chosen, "it has", robot.tasks)
    return robot.tasks[chosen]()


def excited_task(robot: Robot, name: str | None, excitation: Path | None) -> Task:
    """The named task; with an excitation's file the task that it makes, which goes by the name of the one it is made from.

    Raises CommandError or IdentificationError.
    """
    if excitation is None:
        return task_of(robot, name)
    experiment, base = load_experiment(excitation, robot), excitation_of(robot).task
    if name not in (None, base):
        message = (
            f"{excitation}: excitations of '{robot.name}' are made from the task '{base}', not from '{name}'; leave it out"
        )
        raise CommandError(message, ExitCode.BAD_INPUT)
    return excitation_task(experiment, robot)


def check_solver(name: str | None) -> None:
    """Refuse a solver that is not in the registry. Raises CommandError."""
    if name is not None and name not in SOLVERS:
        raise _unknown(f"no solver '{name}'", name, "there are", SOLVERS)


def residual_for(robot: Robot, path: Path | None, force: bool) -> Residual | None:
    """The residual of a file, which must belong to the robot with its parameters; None without a file.

    One that validation did not accept must be forced. Raises ResidualError or CommandError.
    """
    if path is None:
        return None
    residual = load_residual(path)
    if robot.residual_port is None:
        raise CommandError(f"'{robot.name}' does not say where a learned residual enters", ExitCode.BAD_INPUT)
    check_belongs(residual, robot.name, robot.model_hash, robot.dynamics.nominal.parameters, robot.residual_port)
    if not (residual.accepted or force):
        is_unseen = residual.metrics.get("rows") == []  # of a network that came without logs
        reason = "no log has judged it" if is_unseen else "validation did not find it better than physics alone"
        raise CommandError(f"{path}: {reason}; --force-residual takes it all the same", ExitCode.BAD_INPUT)
    return residual


def check_rates(robot: Robot, control_rate_hz: float | None) -> None:
    """Refuse more plans than observations: every plan answers one. Raises CommandError."""
    wanted_hz = control_rate_hz or robot.control_rate_hz
    if wanted_hz > robot.plant_rate_hz:
        given = f"the control rate is {wanted_hz:g} Hz and the plant's rate {robot.plant_rate_hz:g} Hz"
        raise CommandError(f"{given}; every plan answers an observation, so there can't be more of them", ExitCode.BAD_INPUT)


def solver_of(task: Task, name: str | None, report: Callable[[str], None]) -> Solver:
    """The named solver, or the task's own, built for the task's problem. Raises CommandError or CompilerError."""
    check_solver(name)
    chosen = name or task.solver
    # The task's options are for the task's own solver.
    options = task.solver_options if chosen == task.solver else {}
    return SOLVERS[chosen](task.problem, report=report, **options)


def _unknown(complaint: str, given: str, there: str, valid: Iterable[str]) -> CommandError:
    """The error for a name that is none of the valid ones, with the one that may have been meant."""
    names = list(valid)
    close = difflib.get_close_matches(given.lower().replace("_", "-"), names, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return CommandError(f"{complaint}; {hint}{there} {', '.join(names)}", ExitCode.BAD_INPUT)
