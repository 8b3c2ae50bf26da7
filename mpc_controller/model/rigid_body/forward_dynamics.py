"""Forward dynamics together with its derivatives, in far fewer operations than automatic differentiation.

    v̇ = M⁻¹ (τ − b),   ∂v̇/∂q = −M⁻¹ ∂τ/∂q,   ∂v̇/∂v = −M⁻¹ ∂τ/∂v,   ∂v̇/∂τ = M⁻¹

with the derivatives of the inverse dynamics τ(q, v, v̇) at the v̇ that the first equation gives. These come from composite
quantities of the bodies behind each joint: inertia, momentum field, wrench. Derivatives by q are along the directions of
v: where a joint has a quaternion, along a rotation vector in the child frame.

Source: Singh, Russell, Wensing, "Efficient analytical derivatives of rigid-body dynamics using spatial vector algebra", 2022
(IDSVA), written with material points instead of spatial vectors. Let a joint move by its direction (σ, s), and look
along with the bodies behind it. Their particles, at r with velocity u, then accelerate by

    δü = y + γ × r + 2 κ × u      q:  κ = ω_λ × σ,  γ = α_λ × σ + ω_λ × κ,  y = α_λ × s + ω_λ × (ω_λ × s) + a_λ × σ − 2 κ × v_λ
                                  v:  κ = σ,        γ = (ω_λ + ω) × σ,      y = (ω_λ + ω) × s + (v_λ + v) × σ

(_λ: the parent body's motion, in the joint's frame), which takes the wrench ∫ δü dm, ∫ r × δü dm. For the joints below,
the wrench of the composite has turned and moved as well: + (σ × n + s × f, σ × f).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.model.rigid_body.inverse_dynamics import Wrench, subtree_wrenches
from mpc_controller.model.rigid_body.joints import Direction
from mpc_controller.model.rigid_body.kinematics import (
    Acceleration,
    Velocity,
    accelerations,
    joint_placements,
    velocities,
)
from mpc_controller.model.rigid_body.mass_matrix import composite_inertias, crba, factorize, momentum
from mpc_controller.model.rigid_body.rigid_body_model import WORLD, RigidBodyModel
from mpc_controller.model.rigid_body.spatial import Inertia, Placement


@final
@dataclass(frozen=True)
class ForwardDynamics:
    """v̇ (nv,) and its derivatives (nv, nv): by q along the directions of v, by v, and by τ."""

    v_dot: ca.SX
    by_configuration: ca.SX
    by_velocity: ca.SX
    by_effort: ca.SX


def forward_dynamics(model: RigidBodyModel, q: ca.SX, v: ca.SX, tau: ca.SX) -> ForwardDynamics:
    """v̇ and its derivatives at (q, v, τ).

    The velocity part of the bias needs no pass of its own: as it is quadratic in v, it is ½ (∂τ/∂v) v.
    """
    tree = _Tree(model, q, v)
    factors = factorize(crba(model, q), model.velocity_parents)
    coriolis = tree.derivative_by_velocity()
    bias = coriolis @ v / 2 + tree.gravity_effort() + model.damping * v
    v_dot = factors.solve(tau - bias)
    return ForwardDynamics(
        v_dot,
        -factors.solve(tree.derivative_by_configuration(v_dot)),
        -factors.solve(coriolis + ca.diag(model.damping)),
        factors.inverse(),
    )


@final
@dataclass(frozen=True)
class MomentumField:
    """Of moving bodies: linear momentum l = ∫ u dm (3,) and B = ∫ (r·u 1 − u rᵀ) dm (3, 3), so that ∫ r × (κ × u) dm = B κ."""

    linear: ca.SX
    B: ca.SX

    @staticmethod
    def of(inertia: Inertia, motion: Velocity) -> MomentumField:
        """Of one body: u = v + ω × r."""
        v, omega, h = motion.linear, motion.angular, inertia.moment
        B = ca.dot(v, h) * ca.SX.eye(3) - v @ h.T - ca.skew(omega) @ inertia.second_moment
        return MomentumField(inertia.mass * v + ca.cross(omega, h), B)

    def __add__(self, other: MomentumField) -> MomentumField:
        return MomentumField(self.linear + other.linear, self.B + other.B)

    def seen_from(self, placement: Placement) -> MomentumField:
        """About the origin of the parent frame that `placement` is given in."""
        R, d = placement.rotation, placement.translation
        linear = R @ self.linear
        return MomentumField(linear, R @ self.B @ R.T + ca.dot(linear, d) * ca.SX.eye(3) - linear @ d.T)


@final
@dataclass(frozen=True)
class _Variation:
    """δü = y + γ × r + 2 κ × u of the particles behind a joint."""

    y: ca.SX
    gamma: ca.SX
    kappa: ca.SX


@final
class _Tree:
    """The bodies of a model at (q, v): what both derivatives of the inverse dynamics share."""

    def __init__(self, model: RigidBodyModel, q: ca.SX, v: ca.SX) -> None:
        self.model = model
        self.placements = joint_placements(model, q)
        self.motion = velocities(model, self.placements, v)
        self.inertias = composite_inertias(model, self.placements)
        self.fields = [MomentumField.of(joint.inertia, motion) for joint, motion in zip(model.joints, self.motion, strict=True)]
        for i in reversed(range(len(self.fields))):
            if model.joints[i].parent != WORLD:
                self.fields[model.joints[i].parent] += self.fields[i].seen_from(self.placements[i])

    def derivative_by_velocity(self) -> ca.SX:
        """∂τ/∂v (nv, nv), without damping."""
        variations = [
            [_by_velocity(direction, motion) for direction in joint.motion.directions]
            for joint, motion in zip(self.model.joints, self.motion, strict=True)
        ]
        return self._assemble(variations, wrenches=None)

    def derivative_by_configuration(self, v_dot: ca.SX) -> ca.SX:
        """∂τ/∂q (nv, nv) at the acceleration v̇."""
        moving = accelerations(self.model, self.placements, self.motion, v_dot)
        variations = [
            [_by_configuration(direction, velocity, acceleration) for direction in joint.motion.directions]
            for joint, velocity, acceleration in zip(self.model.joints, self.motion, moving, strict=True)
        ]
        return self._assemble(variations, subtree_wrenches(self.model, self.placements, moving))

    def gravity_effort(self) -> ca.SX:
        """g(q) (nv,): what holds the bodies still."""
        upward: list[ca.SX] = []
        effort: list[ca.SX] = []
        for joint, X, inertia in zip(self.model.joints, self.placements, self.inertias, strict=True):
            ground = -ca.SX(ca.sparsify(ca.DM(self.model.gravity)))
            upward.append(X.rotation.T @ (ground if joint.parent == WORLD else upward[joint.parent]))
            wrench = Wrench(ca.cross(inertia.moment, upward[-1]), inertia.mass * upward[-1])
            effort += [wrench.along(direction) for direction in joint.motion.directions]
        return ca.vertcat(*effort)

    def _assemble(self, variations: list[list[_Variation]], wrenches: Sequence[Wrench] | None) -> ca.SX:
        """∂τ (nv, nv): how each direction's variation (columns) changes each direction's effort (rows).

        At joint i, its own variations act on the composite behind it, and their wrenches are handed down to the joints
        below. The joints below move the same composite, whose answer along i's directions is linear in (y, γ, κ).
        """
        model = self.model
        derivative = ca.SX(model.nv, model.nv)
        for i, joint in enumerate(model.joints):
            for at, direction in enumerate(joint.motion.directions, model.v_slices[i].start):
                variation = variations[i][at - model.v_slices[i].start]
                column = self._wrench(i, variation)
                for row, other in enumerate(joint.motion.directions, model.v_slices[i].start):
                    derivative[row, at] = column.along(other)
                if wrenches is not None:
                    column += _turned(wrenches[i], direction)
                answer = momentum(self.inertias[i], direction)
                answer_kappa = 2 * (self.fields[i].B.T @ direction.angular + ca.cross(self.fields[i].linear, direction.linear))
                for j, X in self._below(i):
                    column, answer = column.seen_from(X), answer.seen_from(X)
                    answer_kappa = X.rotation @ answer_kappa
                    for k, other in enumerate(model.joints[j].motion.directions):
                        moved, below = variations[j][k], model.v_slices[j].start + k
                        derivative[below, at] = column.along(other)
                        derivative[at, below] = (
                            ca.dot(answer.force, moved.y)
                            + ca.dot(answer.torque, moved.gamma)
                            + ca.dot(answer_kappa, moved.kappa)
                        )
        return derivative

    def _below(self, i: int) -> Iterator[tuple[int, Placement]]:
        """The joints on the way from i to the root, each with the placement that leads to it."""
        while (parent := self.model.joints[i].parent) != WORLD:
            yield parent, self.placements[i]
            i = parent

    def _wrench(self, i: int, variation: _Variation) -> Wrench:
        """∫ δü dm and ∫ r × δü dm over the bodies behind joint i."""
        inertia, field = self.inertias[i], self.fields[i]
        y, gamma, kappa = variation.y, variation.gamma, variation.kappa
        return Wrench(
            inertia.rotational @ gamma + ca.cross(inertia.moment, y) + 2 * field.B @ kappa,
            inertia.mass * y + ca.cross(gamma, inertia.moment) + 2 * ca.cross(kappa, field.linear),
        )


def _by_velocity(direction: Direction, motion: Velocity) -> _Variation:
    sigma, s = direction.angular, direction.linear
    omega, v = motion.carrier_angular + motion.angular, motion.carrier_linear + motion.linear
    return _Variation(ca.cross(omega, s) + ca.cross(v, sigma), ca.cross(omega, sigma), sigma)


def _by_configuration(direction: Direction, motion: Velocity, acceleration: Acceleration) -> _Variation:
    sigma, s = direction.angular, direction.linear
    omega, alpha = motion.carrier_angular, acceleration.carrier_angular
    kappa = ca.cross(omega, sigma)
    y = ca.cross(alpha, s) + ca.cross(omega, ca.cross(omega, s)) + ca.cross(acceleration.carrier_linear, sigma)
    return _Variation(y - 2 * ca.cross(kappa, motion.carrier_linear), ca.cross(alpha, sigma) + ca.cross(omega, kappa), kappa)


def _turned(wrench: Wrench, direction: Direction) -> Wrench:
    """How a wrench changes when what it acts on moves along a direction."""
    sigma, s = direction.angular, direction.linear
    return Wrench(ca.cross(sigma, wrench.torque) + ca.cross(s, wrench.force), ca.cross(sigma, wrench.force))
