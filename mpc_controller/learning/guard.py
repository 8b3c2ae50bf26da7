"""Where training data lie: normalisation, ranges and density of the features, and the size of what was learned there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.residual.residual import Guard

RARE = 5e-4  # share of the samples beyond either end of a range, and of those beyond a bound
_MARGIN = 0.02  # of a range that is added at both ends
_FADE = 0.25  # of a range, over which the correction goes to nothing
_DENSE = 0.999  # share of the samples within the limit of the density
_RIDGE = 1e-2  # of a feature's variance: what is nearly a function of the others must not decide alone
_LEAST = 1e-6


@final
@dataclass(frozen=True, eq=False)
class Range:
    """The part of a Guard that the features alone decide, with their center and scale (nz,)."""

    center: Array
    scale: Array
    lower: Array
    upper: Array
    fade: Array
    precision: Array
    density_limit: float

    def guard(self, bound: Array, disagreement: Array) -> Guard:
        return Guard(self.lower, self.upper, self.fade, self.precision, self.density_limit, disagreement, bound)

    def normalized(self, z: Array) -> Array:
        return np.asarray((z - self.center) / self.scale)


def range_of(z: Array, stretch: Array | None = None) -> Range:
    """Of features z (n, nz); stretch (nz,) multiplies the scale, such as a kernel's length scales."""
    center, spread = z.mean(axis=0), z.std(axis=0)
    # A feature that never changes says nothing; a scale of its own size keeps its range narrow and its slope small.
    scale = np.where(spread > _LEAST * (1 + np.abs(center)), spread, 0.1 * (1 + np.abs(center)))
    scale = scale * (1.0 if stretch is None else stretch)
    normalized = (z - center) / scale
    lower, upper = np.quantile(normalized, [RARE, 1 - RARE], axis=0)
    width = np.maximum(upper - lower, _LEAST)
    covariance = np.atleast_2d(np.cov(normalized, rowvar=False, bias=True))
    variance = np.maximum(np.diag(covariance), _LEAST**2)
    precision = np.linalg.inv(covariance + np.diag(_RIDGE * variance))
    distance = np.einsum("ki,ij,kj->k", normalized, precision, normalized)
    return Range(
        center=center,
        scale=scale,
        lower=lower - _MARGIN * width,
        upper=upper + _MARGIN * width,
        fade=np.maximum(_FADE * width, 0.05),
        precision=(precision + precision.T) / 2,
        density_limit=max(float(np.quantile(distance, _DENSE)), _LEAST),
    )


def range_between(lower: Array, upper: Array) -> Range:
    """Everything between lower and upper (nz,), all of it as dense as the corners; lower < upper."""
    width = upper - lower
    scale = width / np.sqrt(12)  # the standard deviation of what is spread evenly
    edge = np.full(len(width), np.sqrt(3))
    return Range(
        center=(lower + upper) / 2,
        scale=scale,
        lower=-edge,
        upper=edge,
        fade=2 * _FADE * edge,
        precision=np.eye(len(width)),
        density_limit=float(edge @ edge) * (1 + _LEAST),
    )


def points_between(lower: Array, upper: Array, count: int = 20_000) -> Array:
    """(count, nz): half of them spread evenly between lower and upper (nz,), half at corners; the same ones every time."""
    random = np.random.default_rng(0)
    share = random.random((count, len(lower)))
    share[count // 2 :] = np.round(share[count // 2 :])
    return np.asarray(lower + share * (upper - lower))


def bound_of(y: Array, rare: float = RARE) -> Array:
    """(nr,) of outputs y (n, nr) where they were trained; all but so rare ones are within."""
    return np.asarray(np.maximum(np.quantile(np.abs(y), 1 - rare, axis=0), 1e-9))


def disagreement_of(y: Array) -> Array:
    """(nr,) of the networks' values y (members, n, nr), so that v of a Guard is below 1 where they were trained."""
    if len(y) == 1:
        return np.ones(y.shape[2])
    variance = y.var(axis=0)
    largest = np.maximum(np.quantile(variance, 1 - RARE, axis=0), 1e-18)
    return np.asarray(largest * max(1.0, float(np.quantile((variance / largest).mean(axis=1), 1 - RARE))))
