"""The numbers that may change while the loop runs: of the model, the weights and the bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.parameters import ParameterError
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.robot import Robot

_ESTIMATED = "disturbance."


@final
class RuntimeParameters:
    """The parameter vectors of a problem and of its robot's model, with an operator's changes applied.

    Starts from the problem's nominal values, overwritten by those of the robot's dynamics. `changes` are the values that were
    set since, by name.
    """

    def __init__(self, robot: Robot, problem: OptimalControlProblem) -> None:
        self.changes: Mapping[str, float] = {}
        own = problem.parameters
        self._table = own.with_values({q.name: q.value for q in robot.dynamics.parameters if q.name in own})
        self._values = self._table.values
        self._model = robot.dynamics.parameters
        self._model_values = self._model.values
        names = [_ESTIMATED + channel for channel in robot.dynamics.channels]
        self._channels = [(own.index(name), k) for k, name in enumerate(names) if name in own]

    @property
    def model(self) -> Array:
        """(np,) of the robot's dynamics; not to be written to."""
        return self._model_values

    def with_disturbance(self, disturbance: Array) -> Array:
        """(np,) of the problem, with the estimated disturbance (nd,) filled in; a fresh array."""
        p = self._values.copy()
        for index, channel in self._channels:
            p[index] = disturbance[channel]
        return p

    def update(self, changes: Mapping[str, float]) -> None:
        """Apply all changes, or none and raise ParameterError that says which is wrong."""
        for name, value in changes.items():
            if name.startswith(_ESTIMATED):
                raise ParameterError(f"'{name}' is estimated from the observations; it cannot be set")
            if not math.isfinite(value):
                raise ParameterError(f"'{name}' is {value:g}; it must be a finite number")
        table = self._table.with_values(changes)
        for name in changes:
            _check_bound(table.values, table.names, name)
        self._table, self._values = table, table.values
        self.changes = {**self.changes, **changes}
        self._model = self._model.with_values({n: v for n, v in changes.items() if n in self._model})
        self._model_values = self._model.values


def _check_bound(values: Array, names: tuple[str, ...], name: str) -> None:
    """lower.<row> ≤ upper.<row> for the row that `name` belongs to, if it is one."""
    side, _, row = name.partition(".")
    if side not in ("lower", "upper"):
        return
    low, high = (float(values[names.index(f"{s}.{row}")]) for s in ("lower", "upper"))
    if np.isnan(low) or low > high:
        raise ParameterError(f"'{name}': the bounds would be [{low:g}, {high:g}], which are reversed")
