"""What users name: each solver is built for the task that it is asked for, a task's options are for the task's own solver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from launch.errors import CommandError, ExitCode, exit_code_of
from launch.selection import solver_of
from mpc_controller.problem.cost import LeastSquares, ProblemError
from mpc_controller.robot import Task
from mpc_controller.solvers import SOLVERS
from tests.solvers.spin import spin, spinning


def _task(solver: str, options: Mapping[str, Any]) -> Task:
    return Task(
        name="turn",
        description="turn a body",
        problem=spin(),
        reference=lambda times: np.zeros((len(times), 1)),
        errors=lambda x, r: {},
        initial_state=spinning(),
        duration_s=1.0,
        solver=solver,
        solver_options=options,
    )


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_is_built_by_its_name_whatever_the_tasks_own_solver_and_options_are(name: str) -> None:
    own = next(other for other in SOLVERS if other != name)
    solver = solver_of(_task(own, {"tolerance": 2.0}), name, lambda line: None)
    assert solver.problem is spin()


@pytest.mark.parametrize("name", SOLVERS)
def test_options_of_a_task_reach_its_own_solver_named_or_not(name: str) -> None:
    for given in (None, name):
        with pytest.raises(ValueError, match=r"tolerance is 2.0; it must be between 0 and 1"):
            solver_of(_task(name, {"tolerance": 2.0}), given, lambda line: None)


def test_an_unknown_solver_is_bad_input_that_names_the_valid_ones() -> None:
    with pytest.raises(CommandError, match=r"no solver 'dpp'; did you mean 'ddp'\? there are " + ", ".join(SOLVERS)) as caught:
        solver_of(_task("ilqr", {}), "dpp", lambda line: None)
    assert caught.value.code is ExitCode.BAD_INPUT


def test_a_problem_that_is_not_well_posed_is_bad_input_in_its_own_words() -> None:
    with pytest.raises(ProblemError) as caught:
        LeastSquares("state", lambda stage: stage.x, (-1.0,))
    assert exit_code_of(caught.value) is ExitCode.BAD_INPUT
