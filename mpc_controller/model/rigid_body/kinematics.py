"""Positions, velocities and accelerations of the bodies of a tree, as expressions.

Accelerations are classical, those of material points: the particle at r of a body has ü = a + W r, with a (3,) of the
origin and W = [α]× + [ω]×² (3, 3). Everything is expressed in the body's own frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.model.rigid_body.rigid_body_model import WORLD, Joint, RigidBodyModel
from mpc_controller.model.rigid_body.spatial import Placement


@final
@dataclass(frozen=True)
class Velocity:
    """Of a body, in its frame: angular ω and linear v of its origin. `carrier_…`: the same of the parent body, as if the
    body were frozen to it. `joint_…`: the difference, which the joint makes."""

    carrier_angular: ca.SX
    carrier_linear: ca.SX
    joint_angular: ca.SX
    joint_linear: ca.SX

    @property
    def angular(self) -> ca.SX:
        return self.carrier_angular + self.joint_angular

    @property
    def linear(self) -> ca.SX:
        return self.carrier_linear + self.joint_linear


@final
@dataclass(frozen=True)
class Acceleration:
    """Of a body, in its frame: angular α, linear a of its origin, and W; `carrier_…` as for velocities."""

    carrier_angular: ca.SX
    carrier_linear: ca.SX
    angular: ca.SX
    linear: ca.SX
    gradient: ca.SX


def joint_placements(model: RigidBodyModel, q: ca.SX) -> list[Placement]:
    """Of every joint's child frame in its parent's child frame."""
    return [
        joint.placement @ joint.motion.placement(q[place]) for joint, place in zip(model.joints, model.q_slices, strict=True)
    ]


def forward_kinematics(model: RigidBodyModel, q: ca.SX) -> list[Placement]:
    """Of every joint's child frame in the world."""
    world: list[Placement] = []
    for joint, placement in zip(model.joints, joint_placements(model, q), strict=True):
        world.append(placement if joint.parent == WORLD else world[joint.parent] @ placement)
    return world


def frame_placement(model: RigidBodyModel, q: ca.SX, name: str) -> Placement:
    """Of a named frame in the world."""
    frame = model.frame(name)
    if frame.parent == WORLD:
        return frame.placement
    return forward_kinematics(model, q)[frame.parent] @ frame.placement


def frame_velocity(model: RigidBodyModel, q: ca.SX, v: ca.SX, name: str) -> ca.SX:
    """Of a named frame's origin, in the world's directions (3,)."""
    frame = model.frame(name)
    if frame.parent == WORLD:
        return ca.SX(3, 1)
    body = velocities(model, joint_placements(model, q), v)[frame.parent]
    rotation = forward_kinematics(model, q)[frame.parent].rotation
    return rotation @ (body.linear + ca.cross(body.angular, frame.placement.translation))


def velocities(model: RigidBodyModel, placements: Sequence[Placement], v: ca.SX) -> list[Velocity]:
    """Of every body: ω = Rᵀ ω_λ + σ v,  v = Rᵀ (v_λ + ω_λ × p) + s v."""
    result: list[Velocity] = []
    for i, (joint, X) in enumerate(zip(model.joints, placements, strict=True)):
        angular, linear = along(joint, v[model.v_slices[i]])
        if joint.parent == WORLD:
            result.append(Velocity(ca.SX(3, 1), ca.SX(3, 1), angular, linear))
            continue
        parent = result[joint.parent]
        moved = parent.linear + ca.cross(parent.angular, X.translation)
        result.append(Velocity(X.rotation.T @ parent.angular, X.rotation.T @ moved, angular, linear))
    return result


def accelerations(
    model: RigidBodyModel, placements: Sequence[Placement], motion: Sequence[Velocity], v_dot: ca.SX
) -> list[Acceleration]:
    """Of every body, on ground that accelerates by −gravity:

    α = Rᵀ α_λ + ω_λ × σ v + σ v̇
    a = Rᵀ (a_λ + W_λ p) + (2 ω_λ + σ v) × s v + s v̇
    """
    result: list[Acceleration] = []
    for i, (joint, X, velocity) in enumerate(zip(model.joints, placements, motion, strict=True)):
        if joint.parent == WORLD:
            carried_angular, carried_linear = ca.SX(3, 1), X.rotation.T @ -ca.SX(ca.sparsify(ca.DM(model.gravity)))
        else:
            parent = result[joint.parent]
            carried_angular = X.rotation.T @ parent.angular
            carried_linear = X.rotation.T @ (parent.linear + parent.gradient @ X.translation)
        angular, linear = along(joint, v_dot[model.v_slices[i]])
        angular += carried_angular + ca.cross(velocity.carrier_angular, velocity.joint_angular)
        twice = velocity.carrier_angular + velocity.angular
        linear += carried_linear + ca.cross(twice, velocity.joint_linear)
        gradient = ca.skew(angular) + squared_skew(velocity.angular)
        result.append(Acceleration(carried_angular, carried_linear, angular, linear, gradient))
    return result


def along(joint: Joint, amounts: ca.SX) -> tuple[ca.SX, ca.SX]:
    """Angular and linear (3,) of a combination of the joint's directions."""
    angular, linear = ca.SX(3, 1), ca.SX(3, 1)
    for k, direction in enumerate(joint.motion.directions):
        angular += direction.angular * amounts[k]
        linear += direction.linear * amounts[k]
    return angular, linear


def squared_skew(omega: ca.SX) -> ca.SX:
    """[ω]×² = ω ωᵀ − ω·ω 1 (3, 3), written so that no diagonal entry holds a term that cancels."""
    x, y, z = ca.vertsplit(ca.densify(omega))
    xx, yy, zz = x * x, y * y, z * z
    return ca.blockcat([[-(yy + zz), x * y, x * z], [x * y, -(xx + zz), y * z], [x * z, y * z, -(xx + yy)]])
