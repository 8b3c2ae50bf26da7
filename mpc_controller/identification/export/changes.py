"""What identification changes in a model file, in no file format's own terms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import IdentificationError


@final
@dataclass(frozen=True, eq=False)
class BodyInertia:
    """mass [kg], centre of mass (3,) [m] in the body's frame, inertia (3, 3) [kg m²] about it along the body's axes."""

    mass: float
    centre: Array
    inertia: Array

    @classmethod
    def of(cls, mass: float, centre: Sequence[float], diagonal: Sequence[float]) -> Self:
        """With principal axes along the body's."""
        return cls(float(mass), np.asarray(centre, dtype=float), np.diag(np.asarray(diagonal, dtype=float)))

    @classmethod
    def about_origin(cls, parameters: Array) -> Self:
        """From (m, h, I_xx, I_xy, I_yy, I_xz, I_yz, I_zz) about the frame's origin, in Pinocchio's order."""
        m, xx, xy, yy, xz, yz, zz = (float(parameters[i]) for i in (0, *range(4, 10)))
        centre = np.asarray(parameters[1:4], dtype=float) / m
        inertia = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return cls(m, centre, inertia - m * _spread(centre))

    def with_point(self, mass: float, at: Sequence[float]) -> BodyInertia:
        """With a point mass [kg] at a place (3,) [m] of the body."""
        total = self.mass + mass
        centre = (self.mass * self.centre + mass * np.asarray(at, dtype=float)) / total
        inertia = self.inertia + self.mass * _spread(self.centre - centre) + mass * _spread(np.asarray(at) - centre)
        return BodyInertia(total, centre, inertia)

    def check(self, body: str) -> None:
        """IdentificationError unless a body can have it: mass above 0, and no principal moment above the sum of the others."""
        if not (math.isfinite(self.mass) and np.isfinite(self.centre).all() and np.isfinite(self.inertia).all()):
            raise IdentificationError(f"body '{body}': mass, centre and inertia must be finite")
        moments = np.linalg.eigvalsh(self.inertia)
        if self.mass <= 0 or moments[0] <= 0 or moments[2] > (moments[0] + moments[1]) * (1 + 1e-9):
            given = f"mass {self.mass:g} kg and principal moments {', '.join(f'{m:g}' for m in moments)} kg m²"
            raise IdentificationError(
                f"body '{body}': {given}; all must be above 0 and none of the moments above the sum of the others"
            )


@final
@dataclass(frozen=True)
class JointChange:
    """Viscous damping [N m s/rad, N s/m], dry friction [N m, N], armature [kg m², kg] of a joint; None leaves it as it is."""

    damping: float | None = None
    friction: float | None = None
    armature: float | None = None


@final
@dataclass(frozen=True)
class ModelChanges:
    """bodies and joints by name. Of MJCF only, `elements`: attributes of other elements by (tag, name), as ("site", "rotor_1"):
    {"pos": (0.03, 0.03, 0)}; and `numbers`, which the format has no place for: kept as <custom> <numeric> by name.
    """

    bodies: Mapping[str, BodyInertia] = field(default_factory=dict)
    joints: Mapping[str, JointChange] = field(default_factory=dict)
    elements: Mapping[tuple[str, str], Mapping[str, Sequence[float]]] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, body in self.bodies.items():
            body.check(name)
        for name, joint in self.joints.items():
            for what in ("damping", "friction", "armature"):
                value = getattr(joint, what)
                if value is not None and not 0 <= value < math.inf:
                    raise IdentificationError(f"joint '{name}': {what} is {value:g}; it must be finite and at least 0")


def _spread(r: Array) -> Array:
    """r·r 1 − r rᵀ (3, 3)."""
    return np.asarray(r @ r * np.eye(3) - np.outer(r, r))
