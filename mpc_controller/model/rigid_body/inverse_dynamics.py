"""Inverse dynamics: the generalized forces of a motion (recursive Newton-Euler algorithm)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.model.rigid_body.joints import Direction
from mpc_controller.model.rigid_body.kinematics import Acceleration, accelerations, joint_placements, velocities
from mpc_controller.model.rigid_body.rigid_body_model import WORLD, RigidBodyModel
from mpc_controller.model.rigid_body.spatial import Inertia, Placement, axial_torque


@final
@dataclass(frozen=True)
class Wrench:
    """A force (3,) [N] and its torque (3,) [N m] about a frame's origin, in that frame."""

    torque: ca.SX
    force: ca.SX

    def __add__(self, other: Wrench) -> Wrench:
        return Wrench(self.torque + other.torque, self.force + other.force)

    def seen_from(self, placement: Placement) -> Wrench:
        """The same wrench in the parent frame that `placement` is given in: (R n + p × R f, R f)."""
        force = placement.rotation @ self.force
        return Wrench(placement.rotation @ self.torque + ca.cross(placement.translation, force), force)

    def along(self, direction: Direction) -> ca.SX:
        """Its generalized force σ·n + s·f."""
        return ca.dot(direction.angular, self.torque) + ca.dot(direction.linear, self.force)


def rnea(model: RigidBodyModel, q: ca.SX, v: ca.SX, v_dot: ca.SX) -> ca.SX:
    """τ (nv,) = M(q) v̇ + C(q, v) v + g(q) + damping v, armature in M.

    Source: Featherstone, "Rigid body dynamics algorithms", 2008, table 5.1, with classical accelerations.
    """
    placements = joint_placements(model, q)
    motion = velocities(model, placements, v)
    wrenches = subtree_wrenches(model, placements, accelerations(model, placements, motion, v_dot))
    tau = [
        wrench.along(direction)
        for joint, wrench in zip(model.joints, wrenches, strict=True)
        for direction in joint.motion.directions
    ]
    return ca.vertcat(*tau) + model.armature * v_dot + model.damping * v


def subtree_wrenches(model: RigidBodyModel, placements: Sequence[Placement], motion: Sequence[Acceleration]) -> list[Wrench]:
    """For every joint, the wrench that moves all bodies behind it, in its frame."""
    result = [inertial_wrench(joint.inertia, a) for joint, a in zip(model.joints, motion, strict=True)]
    for i in reversed(range(len(result))):
        parent = model.joints[i].parent
        if parent != WORLD:
            result[parent] += result[i].seen_from(placements[i])
    return result


def inertial_wrench(inertia: Inertia, motion: Acceleration) -> Wrench:
    """∫ ü dm = m a + W h and ∫ r × ü dm = h × a + axial(W Σ) of a body, for ü = a + W r."""
    torque = ca.cross(inertia.moment, motion.linear) + axial_torque(motion.gradient @ inertia.second_moment)
    return Wrench(torque, inertia.mass * motion.linear + motion.gradient @ inertia.moment)
