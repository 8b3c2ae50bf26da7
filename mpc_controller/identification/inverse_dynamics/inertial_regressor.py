"""Joint torques as a linear function of inertias, friction and rotors, τ_j = Φ_j(q, v, v̇) θ, compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.identification.inverse_dynamics import inertial_parameters
from mpc_controller.model.rigid_body import RigidBodyModel, rnea
from mpc_controller.model.rigid_body.joints import Prismatic, Revolute
from mpc_controller.native.batched_function import BatchedFunction


@final
@dataclass(frozen=True)
class JointTerms:
    """What a joint has beside the inertia of bodies; each term is a parameter of every hinge and slide.

    viscous: b v. coulomb: F_c sign(v), or F_c tanh(v / coulomb_speed) where that is above 0 [rad/s, m/s]. asymmetric: F₊
    forwards and F₋ backwards instead, both positive. offset: a constant. armature: the rotor's inertia seen at the joint, A v̇.
    """

    viscous: bool = True
    coulomb: bool = True
    asymmetric: bool = False
    coulomb_speed: float = 0.0
    offset: bool = True
    armature: bool = True


@final
class InertialRegressor:
    """Φ_j for every entry j of v. θ (n,), in the order of `names`: ten inertial parameters a body, then the terms of joints.

    nonnegative (n,): terms that cannot be negative. nominal (n,): the model's own values; no Coulomb friction, no offset.
    """

    def __init__(
        self, model: RigidBodyModel, terms: JointTerms | None = None, report: Callable[[str], None] = lambda line: None
    ) -> None:
        self.model, self.terms = model, terms or JointTerms()
        q, v, a = ca.SX.sym("q", model.nq), ca.SX.sym("v", model.nv), ca.SX.sym("a", model.nv)
        bodies = ca.SX.sym("bodies", inertial_parameters.SIZE * len(model.joints))
        bare = inertial_parameters.with_inertias(_frictionless(model), bodies)
        joints = self._joint_terms(v, a)
        tau, symbols = rnea(bare, q, v, a), [bodies]
        for _, _, where, factor in joints:
            amounts = ca.SX.sym("amounts", len(where))
            for k, index in enumerate(where):
                tau[index] += amounts[k] * factor[index]
            symbols.append(amounts)
        jacobian = ca.jacobian(tau, ca.vertcat(*symbols))
        self.columns: tuple[IntArray, ...] = tuple(
            np.array(jacobian[j, :].sparsity().get_triplet()[1], dtype=np.int64) for j in range(model.nv)
        )
        rows = ca.cse([jacobian[j, columns.tolist()].T for j, columns in enumerate(self.columns)])
        self._function = BatchedFunction(
            ca.Function("regressor", [q, v, a], rows), f"the regressor of {model.name}", report=report
        )
        self._name(joints)

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, q: Array, v: Array, a: Array) -> tuple[Array, ...]:
        """For every entry j of v, Φ_j (K, |columns[j]|): only the columns that are not always 0."""
        return self._function(q, v, a)

    def torques(self, q: Array, v: Array, a: Array, theta: Array) -> Array:
        """τ (K, nv) [N, N m]."""
        return np.column_stack([phi @ theta[c] for phi, c in zip(self.rows(q, v, a), self.columns, strict=True)])

    def identified(self, theta: Array) -> RigidBodyModel:
        """The tree with these inertias, viscous friction and armature; what it cannot hold (Coulomb, offset) is left out."""
        model = inertial_parameters.with_inertias(self.model, ca.SX(ca.DM(theta[: self._bodies])))
        by_name = dict(zip(self.names, theta.tolist(), strict=True))
        for i, joint in enumerate(model.joints):
            damping, armature = (by_name.get(f"{joint.name}.{term}") for term in ("viscous", "armature"))
            changed = replace(
                joint,
                damping=joint.damping if damping is None else ca.SX(damping),
                armature=joint.armature if armature is None else ca.SX(armature),
            )
            model = model.with_joint(i, changed)
        return model

    def _joint_terms(self, v: ca.SX, a: ca.SX) -> list[tuple[str, str, list[int], ca.SX]]:
        """Name, unit factor, entries of v, and what the parameter is multiplied with."""
        terms = self.terms
        where = [
            place.start
            for joint, place in zip(self.model.joints, self.model.v_slices, strict=True)
            if isinstance(joint.motion, Revolute | Prismatic)
        ]
        sign = ca.tanh(v / terms.coulomb_speed) if terms.coulomb_speed > 0 else ca.sign(v)
        chosen: list[tuple[str, str, list[int], ca.SX]] = []
        if terms.viscous:
            chosen.append(("viscous", " s", where, v))
        if terms.coulomb and not terms.asymmetric:
            chosen.append(("coulomb", "", where, sign))
        if terms.coulomb and terms.asymmetric:
            chosen.append(("coulomb_forwards", "", where, ca.fmax(sign, 0)))
            chosen.append(("coulomb_backwards", "", where, ca.fmin(sign, 0)))
        if terms.offset:
            chosen.append(("offset", "", where, ca.SX.ones(self.model.nv)))
        if terms.armature:
            chosen.append(("armature", " s²", where, a))
        return chosen

    def _name(self, joints: list[tuple[str, str, list[int], ca.SX]]) -> None:
        model = self.model
        self._bodies = inertial_parameters.SIZE * len(model.joints)
        names, units = list(inertial_parameters.names(model)), list(inertial_parameters.UNITS * len(model.joints))
        nominal, positive = list(inertial_parameters.values(model)), [False] * self._bodies
        owner = {place.start: joint for joint, place in zip(model.joints, model.v_slices, strict=True)}
        damping, armature = (ca.DM(vector).full().ravel() for vector in (model.damping, model.armature))
        for term, per, where, _ in joints:
            for index in where:
                slides = isinstance(owner[index].motion, Prismatic)
                names.append(f"{owner[index].name}.{term}")
                units.append(("N" if slides else "N m") + (f"{per}/{'m' if slides else 'rad'}" if per else ""))
                nominal.append({"viscous": damping, "armature": armature}.get(term, np.zeros(model.nv))[index])
                positive.append(term != "offset")
        self.names, self.units = tuple(names), tuple(units)
        self.nominal, self.nonnegative = np.array(nominal), np.array(positive)


def _frictionless(model: RigidBodyModel) -> RigidBodyModel:
    for i, joint in enumerate(model.joints):
        nothing = ca.SX(joint.motion.nv, 1)
        model = model.with_joint(i, replace(joint, damping=nothing, armature=nothing))
    return model
