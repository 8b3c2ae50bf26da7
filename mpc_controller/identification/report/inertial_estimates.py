"""The bodies of an inertial fit as people know them: mass, centre and inertia about it, with intervals and what is seen."""

from __future__ import annotations

from typing import Final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Estimated, Standing
from mpc_controller.identification.inverse_dynamics.inertial_identification import KINDS, InertialIdentification
from mpc_controller.identification.inverse_dynamics.inertial_parameters import SIZE
from mpc_controller.identification.report.digits import UNKNOWN

QUANTITIES: Final = (
    *(("mass", "kg"), ("centre x", "m"), ("centre y", "m"), ("centre z", "m")),
    *((f"inertia {axes}", "kg m²") for axes in ("xx", "xy", "yy", "xz", "yz", "zz")),
)
_TENSOR: Final = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
_ADDED: Final = 0.7  # of the prior's standard deviation: what is left of it where the data say something
_SEEN: Final = 0.25  # of a value
_NEGLIGIBLE: Final = 0.01  # of a joint's torque: friction known to so much is known


def body_estimates(identification: InertialIdentification) -> dict[str, tuple[Estimated, ...]]:
    """By joint, QUANTITIES of all that it carries up to the next joints, in its frame; inertia about the centre."""
    fit = identification.consistent
    result = {}
    for i, joint in enumerate(fit.regressor.model.joints):
        place = slice(SIZE * i, SIZE * (i + 1))
        (nominal, before), (value, slope) = (_quantities(t[place]) for t in (fit.regressor.nominal, fit.values))
        std = np.sqrt(np.diag(slope @ fit.covariance[place, place] @ slope.T))
        known = np.sqrt(np.diag(before @ fit.prior_covariance[place, place] @ before.T))
        result[joint.name] = tuple(
            Estimated(name, unit, float(n), float(v), 1.96 * float(s), _standing(float(s), float(k)))
            for (name, unit), n, v, s, k in zip(QUANTITIES, nominal, value, std, known, strict=True)
        )
    return result


def joint_estimates(identification: InertialIdentification) -> tuple[Estimated, ...]:
    """Friction, offset and armature of the joints, by their names in the parameter file."""
    fit = identification.consistent
    regressor, std = fit.regressor, np.sqrt(np.diag(fit.covariance))
    power = {j: np.sqrt(part.c / part.count) for j, part in enumerate(fit.condensed)}
    owner = {k: j for j, columns in enumerate(regressor.columns) for k in columns.tolist()}
    result = []
    for k in range(SIZE * len(regressor.model.joints), len(regressor)):
        value, s, prior = float(fit.values[k]), float(std[k]), float(np.sqrt(fit.prior_covariance[k, k]))
        standing = _standing(s, prior)
        if not np.isfinite(prior):
            is_seen = s < max(_SEEN * abs(value), _NEGLIGIBLE * float(power[owner[k]]))
            standing = Standing.IDENTIFIED if is_seen else Standing.UNSEEN
        nominal = float(regressor.nominal[k])
        result.append(Estimated(regressor.names[k], regressor.units[k], nominal, value, 1.96 * s, standing))
    return tuple(result)


def base_estimates(identification: InertialIdentification) -> tuple[Estimated, ...]:
    """What the data alone determine: sums of parameters, in words; by least squares."""
    fit = identification.least_squares
    nominal = fit.base.matrix @ fit.regressor.nominal
    units = [fit.regressor.units[k] for k in fit.base.kept]
    return tuple(
        Estimated(name, unit, float(n), float(v), float(h), Standing.IDENTIFIED if h < max(abs(v), abs(n)) else Standing.UNSEEN)
        for name, unit, n, v, h in zip(fit.base.names, units, nominal, fit.base_values, fit.base_half_width, strict=True)
    )


def torque_error_rows(identification: InertialIdentification) -> tuple[list[tuple[str, str]], list[tuple[str, ...]]]:
    """Columns (role, kind of model), and rows: a joint's name, and its torque error in percent for every column."""
    errors = identification.errors
    columns = [(role, kind) for role in errors for kind in KINDS]
    joints = identification.consistent.regressor.model.joints
    names = [j.name if j.motion.nv == 1 else f"{j.name} {k + 1}" for j in joints for k in range(j.motion.nv)]
    shares = [[float(errors[role][kind][j]) for role, kind in columns] for j in range(len(names))]
    shown = [[f"{100 * share:.2f}" if np.isfinite(share) else UNKNOWN for share in row] for row in shares]
    return columns, [(name, *row) for name, row in zip(names, shown, strict=True)]


def _standing(std: float, prior: float) -> Standing:
    return Standing.IDENTIFIED if std < _ADDED * prior else Standing.PRIOR


def _quantities(body: Array) -> tuple[Array, Array]:
    """QUANTITIES (10,) of π = (m, h, I about the origin) (10,), and their derivatives (10, 10) by it.

    c = h / m,  I_c = I − (h·h 1 − h hᵀ) / m
    """
    m, h = body[0], body[1:4]
    moved = (h @ h * np.eye(3) - np.outer(h, h)) / m
    value = np.concatenate([[m], h / m, body[4:] - [moved[entry] for entry in _TENSOR]])
    slope = np.eye(SIZE)
    slope[1:4, 0], slope[1:4, 1:4] = -h / m**2, np.eye(3) / m
    for row, (a, b) in enumerate(_TENSOR, start=4):
        slope[row, 0] = moved[a, b] / m
        for k in range(3):
            slope[row, 1 + k] = -(2 * h[k] * (a == b) - (a == k) * h[b] - h[a] * (b == k)) / m
    return value, slope
