"""What is fitted: a model with its nominal parameters, and what the logs of its machine hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import Integrator, RungeKutta4
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.robot import Robot

_AXES = ("_w", "_x", "_y", "_z")


class IdentificationError(ValueError):
    """A structure, a log or an option that cannot be used; says what was given and what would be valid."""


@final
@dataclass(frozen=True)
class Signal:
    """One measured quantity: a state, the three components of a vector, or an attitude.

    `columns` are its entries in Log.measured, `tangent` its entries in residuals (3 of a quaternion, in radians).
    """

    name: str
    unit: str
    columns: tuple[int, ...]
    tangent: tuple[int, ...]


@final
@dataclass(frozen=True)
class ModelStructure:
    """ẋ = f(x, u, p) from `dynamics`, of whose states `measured` are seen; p starts at the dynamics' own values.

    measured: names of states, in the order of Log.measured; a quaternion as a whole. measurement_std: standard deviations of
    their noise, one a tangent entry (a quaternion has three, rad): the weights of a fit until it has estimated its own.
    horizon_s: how far ahead the controller predicts with this model [s], so how far a fit must. fixed: parameters that are
    never fitted; one with a `std` widens the intervals of the others. Of these, one with a `std` has that as its prior; one
    without may be anything within its bounds. delay_limit_s: commands may act up to so much later than they are logged; 0 fits
    no delay. biased: measured states whose sensor may have a constant offset. lagged: measured states whose sensor may be later
    than the others'. measured_starts: let windows start at what was measured instead of at fitted states, for a model that
    shall predict from there better than it explains; its parameters then make up for noise, too. controls_held: logged controls
    are commands, constant from one sample to the next; False where they are samples of a signal that goes on between them, such
    as a measured force. residual_port: where a learned correction enters, if it may.
    """

    name: str
    description: str
    dynamics: Dynamics
    measured: tuple[str, ...]
    measurement_std: Array
    horizon_s: float
    fixed: tuple[str, ...] = ()
    delay_limit_s: float = 0.0
    biased: tuple[str, ...] = ()
    lagged: tuple[str, ...] = ()
    integrator: Integrator = field(default_factory=RungeKutta4)
    measured_starts: bool = False
    controls_held: bool = True
    residual_port: ResidualPort | None = None

    def __post_init__(self) -> None:
        d = self.dynamics
        for what, names, valid in (
            ("measured", self.measured, d.state_names),
            ("fixed", self.fixed, d.parameters.names),
            ("biased", self.biased, self.measured),
            ("lagged", self.lagged, self.measured),
        ):
            unknown = [name for name in names if name not in valid]
            if unknown:
                raise IdentificationError(f"{self.name}: {what} names {unknown}; valid are {', '.join(valid)}")
        if self.measurement_std.shape != (len(self.tangent_indices),) or not (self.measurement_std > 0).all():
            count = len(self.tangent_indices)
            raise IdentificationError(
                f"{self.name}: measurement_std is {self.measurement_std}; it must be {count} numbers above 0"
            )
        if not (0 < self.horizon_s < math.inf and 0 <= self.delay_limit_s < math.inf):
            given = f"horizon_s is {self.horizon_s:g} and delay_limit_s {self.delay_limit_s:g}"
            raise IdentificationError(f"{self.name}: {given}; both must be finite, the first above 0, the other at least 0")

    @cached_property
    def measured_indices(self) -> tuple[int, ...]:
        """Positions of the measured states in x."""
        return tuple(self.dynamics.state_names.index(name) for name in self.measured)

    @cached_property
    def tangent_indices(self) -> tuple[int, ...]:
        """Positions of the measured entries in the tangent space, ascending as in `measured`."""
        result: list[int] = []
        for signal in self._blocks:
            result += self.dynamics.manifold.tangent_indices(list(signal))
        return tuple(result)

    @cached_property
    def estimated(self) -> tuple[str, ...]:
        """Names of the parameters that a fit looks for: all but `fixed` and those whose std is 0."""
        return tuple(p.name for p in self.dynamics.parameters if p.name not in self.fixed and p.std != 0.0)

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """What is measured, for people: position_x, position_y, position_z as one `position`, a quaternion as `attitude`."""
        groups: dict[str, list[int]] = {}
        for column, name in enumerate(self.measured):
            stem = name[:-2] if name.endswith(_AXES) else name
            groups.setdefault(stem, []).append(column)
        units = dict(zip(self.dynamics.state_names, self.dynamics.state_units, strict=True))
        offsets = self._tangent_offsets
        quaternions = {self.dynamics.state_names[start] for start in self.dynamics.manifold.quaternions}
        result = []
        for stem, columns in groups.items():
            first = self.measured[columns[0]]
            if first in quaternions:
                at = offsets[columns[0]]
                result.append(Signal("attitude", "rad", tuple(columns), (at, at + 1, at + 2)))
            else:
                result.append(Signal(stem, units[first], tuple(columns), tuple(offsets[c] for c in columns)))
        return tuple(result)

    @cached_property
    def _blocks(self) -> tuple[tuple[int, ...], ...]:
        """Positions in x of every measured scalar or whole quaternion."""
        starts = self.dynamics.manifold.quaternions
        blocks: list[tuple[int, ...]] = []
        for index in self.measured_indices:
            owner = next((s for s in starts if s <= index < s + 4), None)
            if owner is None:
                blocks.append((index,))
            elif index == owner:
                blocks.append(tuple(range(owner, owner + 4)))
        return tuple(blocks)

    @cached_property
    def _tangent_offsets(self) -> dict[int, int]:
        """Of the first column of every block of Log.measured, its place in the residual."""
        result: dict[int, int] = {}
        place = 0
        for block in self._blocks:
            result[self.measured.index(self.dynamics.state_names[block[0]])] = place
            place += 3 if len(block) == 4 else 1
        return result


def structure_of(robot: Robot) -> ModelStructure:
    """The structure of a robot that is also controlled: its own model without disturbances, its sensors, its horizon."""
    task = robot.tasks[robot.default_task]()
    return ModelStructure(
        name=robot.name,
        description=robot.description,
        dynamics=robot.dynamics.nominal,
        measured=robot.measured,
        measurement_std=np.asarray(robot.measurement_std, dtype=float),
        horizon_s=float(task.problem.times[-1]),
        delay_limit_s=0.05,
        integrator=task.problem.integrator,
        residual_port=robot.residual_port,
    )
