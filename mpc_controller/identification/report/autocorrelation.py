"""How much a residual still knows of its own past."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import scipy.fft

from mpc_controller.arrays import Array

_NORMAL_95: Final = 1.959964


def autocorrelation(values: Array, lags: int) -> Array:
    """r_k of values (K,) for k = 0..lags, from all pairs of which both are there (others NaN); mean removed; r_0 = 1.

        r_k = (Σ e_i e_{i+k} / n_k) / (Σ e_i² / n)

    n_k: how many pairs. NaN where there are none, or the values do not vary. Source: Parzen, "On spectral analysis with
    missing observations and amplitude modulation", Sankhyā A 25, 1963.
    """
    there = np.isfinite(values)
    result = np.full(lags + 1, np.nan)
    if not there.any():
        return result
    e = np.where(there, values, 0.0)
    e = np.where(there, e - e.sum() / there.sum(), 0.0)
    variance = float(e @ e) / there.sum()
    size = scipy.fft.next_fast_len(len(values) + lags + 1, real=True)
    sums, pairs = (_lagged_products(row, size)[: lags + 1] for row in (e, there.astype(float)))
    pairs = np.round(pairs)
    enough = pairs > 0
    if variance > np.finfo(float).tiny:
        result[enough] = sums[enough] / pairs[enough] / variance
    return result


def white_noise_band(samples: int) -> float:
    """r_k of white noise lies within ± this in 95 % of all lags: 1.96/√n (Bartlett 1946)."""
    return _NORMAL_95 / math.sqrt(samples) if samples else math.nan


def _lagged_products(row: Array, size: int) -> Array:
    """Σ_i row_i row_{i+k} for every k, by way of the power spectrum."""
    spectrum = scipy.fft.rfft(row, size)
    return np.asarray(scipy.fft.irfft(np.abs(spectrum) ** 2, size))
