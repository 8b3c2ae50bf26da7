"""What a joint may do: where its configuration puts the child frame, and along which directions it moves.

All kinds have motion directions that are constant in the child frame; quaternions are (w, x, y, z).
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.rigid_body.spatial import Placement, rotation_about, rotation_of_quaternion


@final
@dataclass(frozen=True)
class Direction:
    """One direction of motion: angular σ (3,) and linear s (3,) velocity of the child frame, in the child frame."""

    angular: ca.SX
    linear: ca.SX


class JointMotion(abc.ABC):
    """The relative motion of two bodies: nq configuration entries, nv velocities.

    `coordinates`, `velocities` and `efforts` are suffixes that name the entries; `quaternion` is the position of a quaternion
    among the coordinates, if there is one.
    """

    coordinates: tuple[str, ...]
    coordinate_units: tuple[str, ...]
    velocities: tuple[str, ...]
    velocity_units: tuple[str, ...]
    efforts: tuple[str, ...]
    effort_units: tuple[str, ...]
    quaternion: int | None = None

    @property
    def nq(self) -> int:
        return len(self.coordinates)

    @property
    def nv(self) -> int:
        return len(self.velocities)

    @property
    @abc.abstractmethod
    def directions(self) -> tuple[Direction, ...]:
        """The nv directions of motion."""

    @abc.abstractmethod
    def placement(self, q: ca.SX) -> Placement:
        """Of the child frame, in the joint's frame on the parent, for the coordinates q (nq,)."""

    @abc.abstractmethod
    def rate(self, q: ca.SX, v: ca.SX) -> ca.SX:
        """dq/dt (nq,) at the velocity v (nv,)."""

    @abc.abstractmethod
    def velocity_of_rate(self, q: ca.SX) -> ca.SX:
        """T (nv, nq) with v = T(q) q̇; rates along a quaternion itself give nothing."""


@final
@dataclass(frozen=True, eq=False)
class Revolute(JointMotion):
    """Turns by an angle [rad] about `axis` (unit vector). Bounded or not, the angle is a real number: it counts turns."""

    axis: Array

    coordinates, coordinate_units = ("",), ("rad",)
    velocities, velocity_units = ("dot",), ("rad/s",)
    efforts, effort_units = ("torque",), ("N m",)

    @property
    def directions(self) -> tuple[Direction, ...]:
        return (Direction(_constant(self.axis), ca.SX(3, 1)),)

    def placement(self, q: ca.SX) -> Placement:
        return Placement(rotation_about(self.axis, q), ca.SX(3, 1))

    def rate(self, q: ca.SX, v: ca.SX) -> ca.SX:
        return v

    def velocity_of_rate(self, q: ca.SX) -> ca.SX:
        return ca.SX.eye(1)


@final
@dataclass(frozen=True, eq=False)
class Prismatic(JointMotion):
    """Slides by a distance [m] along `axis` (unit vector)."""

    axis: Array

    coordinates, coordinate_units = ("",), ("m",)
    velocities, velocity_units = ("dot",), ("m/s",)
    efforts, effort_units = ("force",), ("N",)

    @property
    def directions(self) -> tuple[Direction, ...]:
        return (Direction(ca.SX(3, 1), _constant(self.axis)),)

    def placement(self, q: ca.SX) -> Placement:
        return Placement(ca.SX.eye(3), _constant(self.axis) * q)

    def rate(self, q: ca.SX, v: ca.SX) -> ca.SX:
        return v

    def velocity_of_rate(self, q: ca.SX) -> ca.SX:
        return ca.SX.eye(1)


@final
@dataclass(frozen=True, eq=False)
class Spherical(JointMotion):
    """A ball joint: q is the quaternion child to parent, v the angular velocity in the child frame [rad/s]."""

    coordinates, coordinate_units = ("qw", "qx", "qy", "qz"), ("",) * 4
    velocities, velocity_units = ("wx", "wy", "wz"), ("rad/s",) * 3
    efforts, effort_units = ("torque_x", "torque_y", "torque_z"), ("N m",) * 3
    quaternion = 0

    @property
    def directions(self) -> tuple[Direction, ...]:
        return tuple(Direction(e, ca.SX(3, 1)) for e in _AXES)

    def placement(self, q: ca.SX) -> Placement:
        return Placement(rotation_of_quaternion(q), ca.SX(3, 1))

    def rate(self, q: ca.SX, v: ca.SX) -> ca.SX:
        return _quaternion_rate(q, v)

    def velocity_of_rate(self, q: ca.SX) -> ca.SX:
        return _angular_velocity_of_rate(q)


@final
@dataclass(frozen=True, eq=False)
class FreeFlyer(JointMotion):
    """A body that floats: q = (position in the parent frame [m], quaternion child to parent).

    v = (linear, angular velocity), both in the *child* frame, as in Pinocchio: ṗ = R v_lin. (MuJoCo's linear velocity of a
    free joint is in the world frame.)
    """

    coordinates, coordinate_units = ("x", "y", "z", "qw", "qx", "qy", "qz"), ("m",) * 3 + ("",) * 4
    velocities, velocity_units = ("vx", "vy", "vz", "wx", "wy", "wz"), ("m/s",) * 3 + ("rad/s",) * 3
    efforts = ("force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z")
    effort_units = ("N",) * 3 + ("N m",) * 3
    quaternion = 3

    @property
    def directions(self) -> tuple[Direction, ...]:
        zero = ca.SX(3, 1)
        return tuple(Direction(zero, e) for e in _AXES) + tuple(Direction(e, zero) for e in _AXES)

    def placement(self, q: ca.SX) -> Placement:
        return Placement(rotation_of_quaternion(q[3:]), q[:3])

    def rate(self, q: ca.SX, v: ca.SX) -> ca.SX:
        return ca.vertcat(rotation_of_quaternion(q[3:]) @ v[:3], _quaternion_rate(q[3:], v[3:]))

    def velocity_of_rate(self, q: ca.SX) -> ca.SX:
        return ca.diagcat(rotation_of_quaternion(q[3:]).T, _angular_velocity_of_rate(q[3:]))


def _constant(vector: Array) -> ca.SX:
    return ca.SX(ca.sparsify(ca.DM(np.asarray(vector, dtype=float))))


_AXES = tuple(_constant(row) for row in np.eye(3))


def _quaternion_rate(q: ca.SX, omega: ca.SX) -> ca.SX:
    """q̇ = ½ q ⊗ (0, ω), ω in the child frame."""
    w, r = q[0], q[1:]
    return ca.vertcat(-ca.dot(r, omega), w * omega + ca.cross(r, omega)) / 2


def _angular_velocity_of_rate(q: ca.SX) -> ca.SX:
    """T (3, 4) of ω = 2 Im(q⁻¹ ⊗ q̇), ω in the child frame."""
    w, r = q[0], q[1:]
    return 2 / ca.dot(q, q) * ca.horzcat(-r, w * ca.SX.eye(3) - ca.skew(r))
