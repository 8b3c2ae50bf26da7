"""Sums of squares as small matrices: what a fit of many samples needs to keep of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array, IntArray


@final
@dataclass(frozen=True)
class Condensed:
    """Σ_k w_k (Φ_k θ − τ_k)² = θᵀHθ − 2 gᵀθ + c of one equation; H (n, n), g (n,), c, and the weights' sum."""

    H: Array
    g: Array
    c: float
    count: float

    def squares(self, theta: Array) -> float:
        """The sum of squares at θ, at least 0."""
        return max(0.0, float(theta @ self.H @ theta - 2 * self.g @ theta + self.c))

    def within(self, columns: IntArray) -> Condensed:
        """The same where only some entries of θ are not 0."""
        return Condensed(self.H[np.ix_(columns, columns)], self.g[columns], self.c, self.count)


def condensed(phi: Array, tau: Array, columns: IntArray, size: int, weights: Array | None = None) -> Condensed:
    """Of rows Φ (K, m) that belong to the entries `columns` (m,) of θ (size,), and τ (K,)."""
    weighted = phi if weights is None else phi * weights[:, None]
    H, g = np.zeros((size, size)), np.zeros(size)
    H[np.ix_(columns, columns)] = weighted.T @ phi
    g[columns] = weighted.T @ tau
    if weights is None:
        return Condensed(H, g, float(tau @ tau), float(len(tau)))
    return Condensed(H, g, float((weights * tau) @ tau), float(weights.sum()))


def added(parts: Iterable[Condensed]) -> Condensed:
    """The same equation on all pieces."""
    first, *others = parts
    for part in others:
        first = Condensed(first.H + part.H, first.g + part.g, first.c + part.c, first.count + part.count)
    return first


def combined(parts: Sequence[Condensed], std: Array) -> tuple[Array, Array]:
    """H and g of all equations, each in units of its own spread (equations,)."""
    H = sum(part.H / s**2 for part, s in zip(parts, std, strict=True))
    g = sum(part.g / s**2 for part, s in zip(parts, std, strict=True))
    return np.asarray(H), np.asarray(g)
