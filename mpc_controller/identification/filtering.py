"""From noisy samples to signals and their derivatives without a shift in time: zero-phase filters, parallel decimation.

Source: Janot, Gautier, Brunot, "Data set and reference models of EMPS", 2019; Gautier, "Dynamic identification of robots with
power model", 1997, for parallel decimation: every column of a regression passes through the same filter, so that what holds
before holds after.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.interpolate
import scipy.signal

from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import IdentificationError

_REGULAR = 1e-3  # steps that differ by less than this share of their median are one step
_TAPS = 20  # of the decimating filter, on both sides, a factor of decimation


@final
@dataclass(frozen=True)
class Filtering:
    """How measured states become regressors.

    cutoff_hz: of the Butterworth low-pass of `order`, run forward and backward over the measured states before they are
    differentiated (−6 dB there); None finds the frequency above which there is only noise. decimation: after a linear-phase
    low-pass at half the new rate, every so many rows of a regression are kept; None takes so many that what passes lies below
    0.4 of the cutoff.
    trim_s: left out at both ends of every piece, where filters see only one side; None takes the filters' own reach.
    held: commands are constant from one sample to the next, so at a sample acts the mean of the two around it; None takes what
    the structure says of its controls.
    """

    cutoff_hz: float | None = None
    order: int = 4
    decimation: int | None = None
    trim_s: float | None = None
    held: bool | None = None

    def __post_init__(self) -> None:
        if self.cutoff_hz is not None and not 0 < self.cutoff_hz < math.inf:
            raise IdentificationError(f"filtering: cutoff_hz is {self.cutoff_hz:g}; it must be above 0 Hz")
        if self.order < 1 or (self.decimation is not None and self.decimation < 1):
            given = f"order is {self.order} and decimation {self.decimation}"
            raise IdentificationError(f"filtering: {given}; both must be whole numbers of at least 1")
        if self.trim_s is not None and not 0 <= self.trim_s < math.inf:
            raise IdentificationError(f"filtering: trim_s is {self.trim_s:g}; it must be at least 0 s")


def uniform_times(times: Array) -> Array:
    """Times (n,) of one constant step from the first to the last: the given ones if they are that already."""
    steps = np.diff(times)
    period = float(np.median(steps))
    if np.abs(steps - period).max() <= _REGULAR * period:
        return times
    return np.asarray(np.linspace(times[0], times[-1], round((times[-1] - times[0]) / period) + 1))


def resampled(times: Array, values: Array, at: Array) -> Array:
    """Smooth signals (K, n) at other times, by a cubic spline through all samples."""
    return values if at is times else np.asarray(scipy.interpolate.CubicSpline(times, values)(at))


def held_at(times: Array, values: Array, at: Array) -> Array:
    """Signals (K, n) that keep every sample until the next, at other times."""
    return values if at is times else np.asarray(values[np.searchsorted(times, at, side="right") - 1])


def low_pass(values: Array, period_s: float, cutoff_hz: float, order: int = 4) -> Array:
    """Zero-phase Butterworth low-pass along the first axis; nothing is done above half the sampling rate."""
    if cutoff_hz >= 0.5 / period_s:
        return values
    sections = scipy.signal.butter(order, cutoff_hz, fs=1 / period_s, output="sos")
    # As much padding as the filter remembers, so that the ends start settled.
    padding = min(len(values) - 1, round(3 * order / (cutoff_hz * period_s)))
    return np.asarray(scipy.signal.sosfiltfilt(sections, values, axis=0, padlen=padding))


def differentiated(values: Array, period_s: float) -> Array:
    """Central differences along the first axis, of second order at the ends too."""
    return np.asarray(np.gradient(values, period_s, axis=0, edge_order=2))


def decimated(rows: Array, factor: int) -> Array:
    """Every `factor`-th row behind a linear-phase low-pass (Hamming window) at half the new rate; shifts nothing."""
    if factor == 1:
        return rows
    half = _TAPS * factor // 2
    taps = scipy.signal.firwin(2 * half + 1, 1.0 / factor, window="hamming")
    filtered = scipy.signal.upfirdn(taps, rows, 1, factor, axis=0)
    # The first row that is kept stands behind the filter's delay, `half` rows, which is a multiple of the factor.
    kept = filtered[half // factor : half // factor + -(-len(rows) // factor)]
    weight = scipy.signal.upfirdn(taps, np.ones(len(rows)), 1, factor)[half // factor :][: len(kept)]
    return np.asarray(kept / weight.reshape(-1, *(1,) * (rows.ndim - 1)))


def automatic_cutoff(values: Array, period_s: float) -> float:
    """The frequency [Hz] above which signals (K, n) show only noise, with half of it to spare.

    The noise is the median of a spectrum's upper half, and a signal ends where the mean over an octave is less than ten times
    that: multisines leave gaps, and single lines of the mains or of a quantized encoder stand high above the noise.
    """
    window = min(len(values), max(64, len(values) // 8))
    frequencies, power = scipy.signal.welch(values, fs=1 / period_s, nperseg=window, axis=0, detrend="linear", window="hann")
    floor = np.median(power[frequencies > 0.5 * frequencies[-1]], axis=0) + np.finfo(float).tiny
    highest = float(frequencies[-1])
    for i in range(1, len(frequencies)):
        if (power[i : 2 * i].mean(axis=0) < 10 * floor).all():
            highest = float(frequencies[i])
            break
    return float(np.clip(1.5 * highest, 5 * frequencies[1], 0.4 / period_s))
