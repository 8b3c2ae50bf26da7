"""Placements and inertias in three dimensions, as expressions. Constants fold: a zero costs nothing in generated code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array


def rotation_about(axis: Array, angle: ca.SX) -> ca.SX:
    """R = a aᵀ + cos(θ) (1 − a aᵀ) + sin(θ) [a]× (3, 3) for a unit vector a (Rodrigues, in the form that folds)."""
    outer = np.outer(axis, axis)
    skew = np.cross(axis, -np.eye(3))
    return _sparse(outer) + ca.cos(angle) * _sparse(np.eye(3) - outer) + ca.sin(angle) * _sparse(skew)


def rotation_of_quaternion(q: ca.SX) -> ca.SX:
    """R (3, 3) of q/‖q‖, q = (w, x, y, z): scaling q changes nothing, so derivatives along q itself are zero."""
    w, r = q[0], q[1:]
    outer = r @ r.T
    doubled = outer + w * ca.skew(r) - ca.SX.eye(3) * ca.dot(r, r)
    return ca.SX.eye(3) + 2 / ca.dot(q, q) * doubled


def axial_torque(K: ca.SX) -> ca.SX:
    """∫ r × y dm (3,) from the moment matrix K = ∫ y rᵀ dm (3, 3)."""
    return ca.vertcat(K[2, 1] - K[1, 2], K[0, 2] - K[2, 0], K[1, 0] - K[0, 1])


@final
@dataclass(frozen=True)
class Placement:
    """Of a child frame in a parent frame: r_parent = rotation r_child + translation."""

    rotation: ca.SX
    translation: ca.SX

    @classmethod
    def constant(cls, rotation: Array, translation: Array) -> Self:
        return cls(_sparse(rotation), _sparse(translation))

    def __matmul__(self, child: Placement) -> Placement:
        """The child's child frame in this frame's parent."""
        return Placement(self.rotation @ child.rotation, self.translation + self.rotation @ child.translation)


@final
@dataclass(frozen=True)
class Inertia:
    """Of a body about its frame's origin: m = ∫ dm [kg], h = ∫ r dm (3,) [kg m], I = ∫ (r·r 1 − r rᵀ) dm (3, 3) [kg m²].

    Entries may be numbers or expressions of parameters.
    """

    mass: ca.SX
    moment: ca.SX
    rotational: ca.SX

    @classmethod
    def about_centre(cls, mass: ca.SX, centre: ca.SX, rotational: ca.SX) -> Self:
        """From mass, centre of mass c and the inertia about it: h = m c, I = I_c + m (c·c 1 − c cᵀ)."""
        mass, centre = ca.SX(mass), ca.SX(centre)
        shift = mass * (ca.dot(centre, centre) * ca.SX.eye(3) - centre @ centre.T)
        return cls(mass, mass * centre, rotational + shift)

    def __add__(self, other: Inertia) -> Inertia:
        return Inertia(self.mass + other.mass, self.moment + other.moment, self.rotational + other.rotational)

    @property
    def second_moment(self) -> ca.SX:
        """Σ = ∫ r rᵀ dm = ½ tr(I) 1 − I (3, 3)."""
        return ca.trace(self.rotational) / 2 * ca.SX.eye(3) - self.rotational

    def seen_from(self, placement: Placement) -> Inertia:
        """The same body about the origin of the parent frame that `placement` is given in.

        With r' = R r + d:  h' = R h + m d,  I' = R I Rᵀ + 2 (Rh·d) 1 − Rh dᵀ − d (Rh)ᵀ + m (d·d 1 − d dᵀ)
        """
        R, d = placement.rotation, placement.translation
        h = R @ self.moment
        middle = h + self.mass / 2 * d  # the terms in h and in m have one form
        mixed = middle @ d.T
        rotational = R @ self.rotational @ R.T + 2 * ca.dot(middle, d) * ca.SX.eye(3) - mixed - mixed.T
        return Inertia(self.mass, h + self.mass * d, ca.triu2symm(ca.triu(rotational)))


def _sparse(values: Array) -> ca.SX:
    return ca.SX(ca.sparsify(ca.DM(np.asarray(values, dtype=float))))
