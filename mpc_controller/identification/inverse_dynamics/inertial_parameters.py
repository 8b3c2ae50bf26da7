"""The ten inertial parameters of a rigid body, linear in the forces of a motion, and whether a body can have them.

π = (m, h, I) = (∫ dm, ∫ r dm, ∫ (r·r 1 − r rᵀ) dm) about the joint's frame. They are those of some distribution of mass exactly
when the pseudo-inertia is positive semidefinite:

    J = ∫ (r, 1)(r, 1)ᵀ dm = [[Σ, h], [hᵀ, m]],   Σ = ½ tr(I) 1 − I

Source: Wensing, Kim, Slotine, "Linear matrix inequalities for physically consistent inertial parameter identification", 2018.
"""

from __future__ import annotations

from dataclasses import replace

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.rigid_body import Inertia, RigidBodyModel

# In Pinocchio's order.
SUFFIXES = (
    *("mass", "moment_x", "moment_y", "moment_z"),
    *("inertia_xx", "inertia_xy", "inertia_yy", "inertia_xz", "inertia_yz", "inertia_zz"),
)
UNITS = ("kg", *("kg m",) * 3, *("kg m²",) * 6)
SIZE = 10
_TENSOR = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))


def names(model: RigidBodyModel) -> tuple[str, ...]:
    """`<joint>.<suffix>` of the bodies behind all joints, ten each."""
    return tuple(f"{joint.name}.{suffix}" for joint in model.joints for suffix in SUFFIXES)


def values(model: RigidBodyModel) -> Array:
    """π (10 bodies,) of a model whose inertias are numbers."""
    rows = []
    for joint in model.joints:
        rotational = ca.DM(joint.inertia.rotational).full()
        moment = ca.DM(joint.inertia.moment).full().ravel()
        rows.append([float(joint.inertia.mass), *moment, *(rotational[entry] for entry in _TENSOR)])
    return np.array(rows).ravel()


def inertia(parameters: ca.SX) -> Inertia:
    """Of the ten parameters of one body, numbers or expressions."""
    p = parameters
    rotational = ca.blockcat([[p[4], p[5], p[7]], [p[5], p[6], p[8]], [p[7], p[8], p[9]]])
    return Inertia(p[0], p[1:4], rotational)


def with_inertias(model: RigidBodyModel, parameters: ca.SX) -> RigidBodyModel:
    """The tree with other bodies: π (10 bodies,), numbers or expressions."""
    for i in range(len(model.joints)):
        body = inertia(parameters[SIZE * i : SIZE * (i + 1)])
        model = model.with_joint(i, replace(model.joints[i], inertia=body))
    return model


def pseudo_inertia(parameters: Array) -> Array:
    """J (..., 4, 4) of π (..., 10)."""
    return np.asarray(np.einsum("...i,iab->...ab", parameters, BASIS))


def parameters_of(pseudo: Array) -> Array:
    """π (..., 10) of J (..., 4, 4)."""
    second = pseudo[..., :3, :3]
    rotational = np.trace(second, axis1=-2, axis2=-1)[..., None, None] * np.eye(3) - second
    tensor = np.stack([rotational[..., a, b] for a, b in _TENSOR], axis=-1)
    return np.concatenate([pseudo[..., 3:, 3], pseudo[..., :3, 3], tensor], axis=-1)


def is_physical(parameters: Array) -> bool:
    """Whether a body's pseudo-inertia is positive definite; π (10,)."""
    return bool(np.linalg.eigvalsh(pseudo_inertia(parameters))[0] > 0)


def _basis() -> Array:
    """(10, 4, 4): J of every unit vector of π."""
    result = np.zeros((SIZE, 4, 4))
    result[0, 3, 3] = 1.0
    for k in range(3):
        result[1 + k, k, 3] = result[1 + k, 3, k] = 1.0
    for row, (a, b) in enumerate(_TENSOR, start=4):
        unit = np.zeros((3, 3))
        unit[a, b] = unit[b, a] = 1.0
        result[row, :3, :3] = np.trace(unit) / 2 * np.eye(3) - unit
    return result


BASIS = _basis()
