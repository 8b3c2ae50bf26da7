"""How much less many samples tell when their errors are alike from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array


@final
@dataclass(frozen=True)
class LongRun:
    """covariance (n, n) of the sum of correlated rows; critical: how many standard deviations make a 95 % interval.

    That is more than 1.96, as the covariance itself comes from few stretches that are independent of each other. Source:
    Kiefer, Vogelsang, "A new asymptotic theory for heteroskedasticity-autocorrelation robust tests", 2005, table 1 (Bartlett).
    """

    covariance: Array
    critical: float


def long_run(pieces: Sequence[Array]) -> LongRun:
    """Ω (n, n) = Σ_k Σ_l g_k g_lᵀ (1 − |k − l| / L)₊ over rows g (K, n) of each piece.

    Bartlett's kernel keeps it positive semidefinite; it is computed as the sum of squares of all sums of L successive rows.
    L is Andrews' choice for first-order autoregression, and at least 1.3 √K, with which intervals cover best, but only as far
    as there are five stretches of L a parameter: with fewer, the fit itself has taken the sums away. Sources: Newey, West, "A
    simple, positive semi-definite, heteroskedasticity and autocorrelation consistent covariance matrix", 1987; Andrews,
    "Heteroskedasticity and autocorrelation consistent covariance matrix estimation", 1991; Lazarus, Lewis, Stock, Watson,
    "HAR inference: recommendations for practice", 2018.
    """
    total = sum(len(rows) for rows in pieces)
    length = _bandwidth(pieces, total)
    covariance = np.zeros((pieces[0].shape[1],) * 2)
    for rows in pieces:
        L = min(length, len(rows))
        sums = np.cumsum(np.concatenate([np.zeros((1, rows.shape[1])), rows, np.zeros((L - 1, rows.shape[1]))]), axis=0)
        windows = sums[1:].copy()
        windows[L:] -= sums[1:-L]
        covariance += windows.T @ windows / L
    b = length / total
    return LongRun(covariance, 1.96 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3)


def _bandwidth(pieces: Sequence[Array], total: int) -> int:
    """L in rows, at least 1 and at most a quarter of them."""
    crossed = sum((rows[1:] * rows[:-1]).sum(axis=0) for rows in pieces)
    squared = sum((rows[:-1] ** 2).sum(axis=0) for rows in pieces)
    rho = np.clip(crossed / np.maximum(squared, np.finfo(float).tiny), 0.0, 0.98)
    alpha = float(np.mean(4 * rho**2 / ((1 - rho) ** 2 * (1 + rho) ** 2)))
    least = min(1.3 * total**0.5, total / (5 * pieces[0].shape[1]))
    chosen = max(1.1447 * (alpha * total) ** (1 / 3), least)
    return int(np.clip(np.ceil(chosen), 1, max(1, total // 4)))
