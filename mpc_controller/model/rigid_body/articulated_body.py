"""Forward dynamics without the mass matrix (articulated body algorithm)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import casadi as ca

from mpc_controller.model.rigid_body.inverse_dynamics import Wrench
from mpc_controller.model.rigid_body.kinematics import Velocity, joint_placements, squared_skew, velocities
from mpc_controller.model.rigid_body.rigid_body_model import WORLD, RigidBodyModel
from mpc_controller.model.rigid_body.spatial import Inertia, Placement, axial_torque


def aba(model: RigidBodyModel, q: ca.SX, v: ca.SX, tau: ca.SX) -> ca.SX:
    """v̇ (nv,) = M⁻¹ (τ − C v − g − damping v), in a number of operations that grows linearly with the bodies.

    A joint with several directions is treated as several joints in a row without bodies between them. Source: Featherstone,
    "Rigid body dynamics algorithms", 2008, table 7.1, with classical accelerations.
    """
    placements = joint_placements(model, q)
    motion = velocities(model, placements, v)
    biases = [_bias(model, i, placements[i], motion) for i in range(len(model.joints))]
    articulated = [ArticulatedInertia.of(joint.inertia) for joint in model.joints]
    wrenches = [_gyroscopic(joint.inertia, body.angular) for joint, body in zip(model.joints, motion, strict=True)]
    effort = tau - model.damping * v

    columns: dict[int, tuple[Wrench, ca.SX, ca.SX]] = {}  # per entry of v: U, 1/D and the effort that is left
    for i in reversed(range(len(model.joints))):
        joint, start = model.joints[i], model.v_slices[i].start
        body, wrench = articulated[i], wrenches[i]
        for k, direction in reversed(list(enumerate(joint.motion.directions, start))):
            U = body.times(direction.angular, direction.linear)
            inverse = 1 / (U.along(direction) + model.armature[k])
            left = effort[k] - wrench.along(direction)
            columns[k] = U, inverse, left
            body = body.without(U, inverse)
            wrench += Wrench(U.torque * (inverse * left), U.force * (inverse * left))
        if joint.parent != WORLD:
            articulated[joint.parent] += body.seen_from(placements[i])
            wrenches[joint.parent] += (wrench + body.times(*biases[i])).seen_from(placements[i])

    v_dot: list[ca.SX] = []
    moving: list[tuple[ca.SX, ca.SX]] = []
    for i, (joint, X) in enumerate(zip(model.joints, placements, strict=True)):
        ground = (ca.SX(3, 1), -ca.SX(ca.sparsify(ca.DM(model.gravity))))
        alpha, a = ground if joint.parent == WORLD else moving[joint.parent]
        angular = X.rotation.T @ alpha + biases[i][0]
        linear = X.rotation.T @ (a + ca.cross(alpha, X.translation)) + biases[i][1]
        for k, direction in enumerate(joint.motion.directions, model.v_slices[i].start):
            U, inverse, left = columns[k]
            v_dot.append(inverse * (left - ca.dot(U.torque, angular) - ca.dot(U.force, linear)))
            angular += direction.angular * v_dot[-1]
            linear += direction.linear * v_dot[-1]
        moving.append((angular, linear))
    return ca.vertcat(*v_dot)


@final
@dataclass(frozen=True)
class ArticulatedInertia:
    """What a body with all that hangs on it answers to an acceleration: n = J α + H a, f = Hᵀ α + M a; blocks (3, 3)."""

    J: ca.SX
    H: ca.SX
    M: ca.SX

    @classmethod
    def of(cls, inertia: Inertia) -> Self:
        return cls(inertia.rotational, ca.skew(inertia.moment), inertia.mass * ca.SX.eye(3))

    def __add__(self, other: ArticulatedInertia) -> ArticulatedInertia:
        return ArticulatedInertia(self.J + other.J, self.H + other.H, self.M + other.M)

    def times(self, angular: ca.SX, linear: ca.SX) -> Wrench:
        return Wrench(self.J @ angular + self.H @ linear, self.H.T @ angular + self.M @ linear)

    def without(self, U: Wrench, inverse: ca.SX) -> ArticulatedInertia:
        """This inertia less U D⁻¹ Uᵀ: what is left when a direction is free to move."""
        n, f = U.torque * inverse, U.force * inverse
        return ArticulatedInertia(self.J - n @ U.torque.T, self.H - n @ U.force.T, self.M - f @ U.force.T)

    def seen_from(self, placement: Placement) -> ArticulatedInertia:
        """The same in the parent frame that `placement` is given in."""
        R, p = placement.rotation, ca.skew(placement.translation)
        H, M = R @ self.H @ R.T, _symmetric(R @ self.M @ R.T)
        J = R @ self.J @ R.T - H @ p + p @ H.T - p @ M @ p
        return ArticulatedInertia(_symmetric(J), H + p @ M, M)


def _symmetric(A: ca.SX) -> ca.SX:
    """A symmetric matrix computed once per pair of entries."""
    return ca.triu2symm(ca.triu(A))


def _bias(model: RigidBodyModel, index: int, X: Placement, motion: list[Velocity]) -> tuple[ca.SX, ca.SX]:
    """Accelerations (α, a) of a body that come from velocities alone."""
    joint, body = model.joints[index], motion[index]
    linear = ca.cross(body.carrier_angular + body.angular, body.joint_linear)
    if joint.parent != WORLD:
        linear += X.rotation.T @ (squared_skew(motion[joint.parent].angular) @ X.translation)
    return ca.cross(body.carrier_angular, body.joint_angular), linear


def _gyroscopic(inertia: Inertia, omega: ca.SX) -> Wrench:
    """The wrench on a body that turns at ω and whose origin does not accelerate."""
    squared = squared_skew(omega)
    return Wrench(axial_torque(squared @ inertia.second_moment), squared @ inertia.moment)
