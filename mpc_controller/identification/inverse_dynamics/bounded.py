"""Small quadratic problems with bounds: where a condensed least-squares problem ends."""

from __future__ import annotations

import numpy as np
import scipy.optimize

from mpc_controller.arrays import Array


def bounded_minimum(H: Array, g: Array, lower: Array, upper: Array) -> Array:
    """argmin ½ dᵀH d + gᵀd with lower ≤ d ≤ upper (n,), H (n, n) symmetric positive definite."""
    free = np.linalg.solve(H, -g)
    if ((lower <= free) & (free <= upper)).all():
        return np.asarray(free)
    root = np.linalg.cholesky(H).T
    target = np.linalg.solve(root.T, -g)
    # The method asks for room between the bounds.
    room = np.where(upper > lower, upper, lower + 1e-12 * (1 + np.abs(np.where(np.isfinite(lower), lower, 0.0))))
    return np.asarray(np.clip(scipy.optimize.lsq_linear(root, target, (lower, room), method="bvls").x, lower, upper))
