"""The mass matrix (composite rigid body algorithm) and its sparse factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.model.rigid_body.inverse_dynamics import Wrench
from mpc_controller.model.rigid_body.joints import Direction
from mpc_controller.model.rigid_body.kinematics import joint_placements
from mpc_controller.model.rigid_body.rigid_body_model import WORLD, RigidBodyModel
from mpc_controller.model.rigid_body.spatial import Inertia, Placement


def crba(model: RigidBodyModel, q: ca.SX) -> ca.SX:
    """M (nv, nv), symmetric, with armature; entries of joints on different branches are structural zeros.

    Source: Featherstone, "Rigid body dynamics algorithms", 2008, table 6.2.
    """
    placements = joint_placements(model, q)
    composites = composite_inertias(model, placements)
    M = ca.SX(model.nv, model.nv)
    for i, joint in enumerate(model.joints):
        for column, direction in enumerate(joint.motion.directions, model.v_slices[i].start):
            wrench, j = momentum(composites[i], direction), i
            while True:
                for row, other in enumerate(model.joints[j].motion.directions, model.v_slices[j].start):
                    M[row, column] = M[column, row] = wrench.along(other)
                if model.joints[j].parent == WORLD:
                    break
                wrench, j = wrench.seen_from(placements[j]), model.joints[j].parent
            M[column, column] += model.armature[column]
    return M


def composite_inertias(model: RigidBodyModel, placements: Sequence[Placement]) -> list[Inertia]:
    """For every joint, the inertia of all bodies behind it, in its frame."""
    result = [joint.inertia for joint in model.joints]
    for i in reversed(range(len(result))):
        parent = model.joints[i].parent
        if parent != WORLD:
            result[parent] += result[i].seen_from(placements[i])
    return result


def momentum(inertia: Inertia, motion: Direction) -> Wrench:
    """Of a body that moves with ω = σ, v = s: (I σ + h × s, m s + σ × h)."""
    h, sigma, s = inertia.moment, motion.angular, motion.linear
    return Wrench(inertia.rotational @ sigma + ca.cross(h, s), inertia.mass * s + ca.cross(sigma, h))


@final
@dataclass(frozen=True)
class TreeFactors:
    """M⁻¹ = L D Lᵀ with L (nv, nv) unit lower triangular and D = diag(d): the inverses of Featherstone's factors.

    L has an entry (i, j) only where j is on the way from i to the root, so branches stay apart.
    """

    L: ca.SX
    d: ca.SX

    def solve(self, rhs: ca.SX) -> ca.SX:
        """M⁻¹ rhs for rhs (nv, m)."""
        return self.L @ (ca.diag(self.d) @ (self.L.T @ rhs))

    def inverse(self) -> ca.SX:
        """M⁻¹ (nv, nv), symmetric."""
        return ca.triu2symm(ca.triu(self.L @ ca.diag(self.d) @ self.L.T))


def factorize(M: ca.SX, parents: Sequence[int]) -> TreeFactors:
    """Factors of a mass matrix whose tree has `parents` (nv,).

    M = Uᵀ D⁻¹ U with U unit lower triangular, from the leaves to the root, then L = U⁻¹ row by row.
    Source: Featherstone, "Rigid body dynamics algorithms", 2008, table 6.3 (LTDL).
    """
    n = len(parents)
    H, U, d = ca.SX(M), ca.SX.eye(n), ca.SX(n, 1)
    for k in reversed(range(n)):
        d[k] = 1 / H[k, k]
        for i in _above(k, parents):
            U[k, i] = H[k, i] * d[k]
            for j in (i, *_above(i, parents)):
                H[i, j] -= U[k, i] * H[k, j]
    L = ca.SX.eye(n)
    for k in range(n):
        for i in _above(k, parents):
            L[k, i] = -sum((U[k, j] * L[j, i] for j in _above(k, parents) if j >= i), start=ca.SX(0))
    return TreeFactors(L, d)


def _above(k: int, parents: Sequence[int]) -> list[int]:
    """The entries on the way from k to the root, without k."""
    result: list[int] = []
    while parents[k] != WORLD:
        k = parents[k]
        result.append(k)
    return result
