"""What motions of a tree can show at all: the fewest combinations of parameters that its torques depend on.

Source: Gautier, "Numerical calculation of the base inertial parameters of robots", 1991.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.linalg

from mpc_controller.arrays import Array, IntArray
from mpc_controller.identification.inverse_dynamics.combinations import combination
from mpc_controller.identification.inverse_dynamics.inertial_regressor import InertialRegressor
from mpc_controller.model.rigid_body.joints import FreeFlyer, Spherical

_RANK = 1e-8  # of the largest pivot; below it a column is a combination of others
_ROUNDING = 1e-7  # of a coefficient, from the same factorisation


@final
@dataclass(frozen=True)
class BaseParameters:
    """β = B θ with Φ θ = Φ[:, kept] β for every motion; B (nβ, n), the identity in the columns `kept`.

    names: β in words. unseen: parameters that no motion shows at all.
    """

    kept: IntArray
    matrix: Array
    names: tuple[str, ...]
    unseen: tuple[str, ...]

    def closest(self, base: Array, prior: Array, scale: Array) -> Array:
        """The θ with B θ = β that is closest to a prior (n,), in units of `scale` (n,)."""
        B = self.matrix * scale
        missing = base - self.matrix @ prior
        return np.asarray(prior + scale * np.linalg.lstsq(B, missing, rcond=None)[0])


def base_parameters(regressor: InertialRegressor, seed: int = 0) -> BaseParameters:
    """From the ranks of the regressor at random states, by QR with column pivoting."""
    W = _random_rows(regressor, np.random.default_rng(seed))
    norms = np.linalg.norm(W, axis=0)
    alive = np.flatnonzero(norms > _RANK * norms.max())
    _, R, order = scipy.linalg.qr(W[:, alive] / norms[alive], mode="economic", pivoting=True)
    pivots = np.abs(np.diag(R))
    rank = int((pivots > _RANK * pivots[0]).sum())
    first, rest = alive[order[:rank]], alive[order[rank:]]
    beta = scipy.linalg.solve_triangular(R[:rank, :rank], R[:rank, rank:])
    beta = norms[rest] * beta / norms[first][:, None]
    beta[np.abs(beta) < _ROUNDING * np.maximum(1.0, np.abs(beta).max(initial=0.0))] = 0.0
    matrix = np.zeros((rank, len(regressor)))
    matrix[np.arange(rank), first] = 1.0
    matrix[:, rest] = beta
    ascending = np.argsort(first)
    matrix, first = matrix[ascending], first[ascending]
    names = tuple(combination(regressor.names, row, int(kept)) for row, kept in zip(matrix, first, strict=True))
    unseen = tuple(regressor.names[i] for i in range(len(regressor)) if i not in set(alive.tolist()))
    return BaseParameters(first.astype(np.int64), matrix, names, unseen)


def _random_rows(regressor: InertialRegressor, random: np.random.Generator) -> Array:
    """Φ (rows, n), all joints below each other, at three times as many states as needed."""
    model = regressor.model
    count = 3 * len(regressor)
    q = random.uniform(-np.pi, np.pi, (count, model.nq))
    for joint, place in zip(model.joints, model.q_slices, strict=True):
        if isinstance(joint.motion, FreeFlyer | Spherical) and joint.motion.quaternion is not None:
            block = slice(place.start + joint.motion.quaternion, place.start + joint.motion.quaternion + 4)
            quaternion = random.normal(size=(count, 4))
            q[:, block] = quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)
    v, a = random.normal(size=(2, count, model.nv))
    rows = np.zeros((model.nv, count, len(regressor)))
    for j, phi in enumerate(regressor.rows(q, v, a)):
        rows[j][:, regressor.columns[j]] = phi
    return rows.reshape(-1, len(regressor))
