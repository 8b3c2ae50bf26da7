"""Measured against predicted, residuals, and what a residual knows of its past."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from mpc_controller.analysis.style import GRID, QUIET, SERIES, legend, tidy
from mpc_controller.arrays import Array
from mpc_controller.identification.fit import LogPrediction
from mpc_controller.identification.model_structure import ModelStructure, Signal
from mpc_controller.identification.report.autocorrelation import autocorrelation, white_noise_band
from mpc_controller.identification.report.digits import shown
from mpc_controller.identification.report.lines import components, is_attitude, residual_components, shown_line
from mpc_controller.identification.report.panel import empty, titled

_ZOOMED_WINDOWS: Final = 6
_LAGS: Final = 400  # at most; more cannot be told apart


def worst_stretch(prediction: LogPrediction, structure: ModelStructure, signal_std: Array) -> tuple[float, float]:
    """Begin and end [s] of six horizons in which the residuals, each by its standard deviation, are largest."""
    times = prediction.times
    length = _ZOOMED_WINDOWS * structure.horizon_s
    if times[-1] - times[0] <= length:
        return float(times[0]), float(times[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (prediction.residuals / signal_std) ** 2
    total = np.cumsum(np.where(np.isfinite(squares), squares, 0.0).sum(axis=1))
    starts = prediction.window_starts or range(0, len(times), max(1, len(times) // 400))
    begin = np.asarray([i for i in starts if times[i] + length <= times[-1]] or [0])
    end = np.searchsorted(times, times[begin] + length)
    worst = int(begin[np.argmax(total[np.minimum(end, len(times) - 1)] - total[begin])])
    return float(times[worst]), float(times[worst] + length)


def draw_prediction(
    axes: Axes,
    structure: ModelStructure,
    signal: Signal,
    prediction: LogPrediction,
    points: int,
    stretch: tuple[float, float] | None = None,
) -> None:
    """Measured as a pale broad line, predicted as a thin one on it that starts anew in every window."""
    times = prediction.times
    chosen = np.flatnonzero((times >= stretch[0]) & (times <= stretch[1])) if stretch else np.arange(len(times))
    t = times[chosen]
    inside = [i for i in prediction.window_starts if len(chosen) and chosen[0] <= i <= chosen[-1]]
    starts = np.searchsorted(chosen, inside).tolist()
    names, measured = components(structure, signal, prediction.measured[chosen])
    _, predicted = components(structure, signal, prediction.predicted[chosen])
    half_turn = np.pi if is_attitude(signal) else None
    if stretch:
        _shade_windows(axes, t, starts)
    for i, name in enumerate(names):
        colour = SERIES[i % len(SERIES)]
        line = shown_line(t, measured[:, i], points, (), half_turn)
        axes.plot(*line, color=colour, alpha=0.35, linewidth=3.0 if stretch else 2.2)
        axes.plot(*shown_line(t, predicted[:, i], points, starts, half_turn), color=colour, linewidth=0.9, label=name)
    if not np.isfinite(measured).any():
        empty(axes, "nothing measured")
    tidy(axes, f"{stretch[0]:.1f} to {stretch[1]:.1f} s" if stretch else titled(signal.name, signal.unit), "time [s]")
    if len(names) > 1 and not stretch:
        legend(axes)
    _limit(axes, t)


def draw_residuals(
    axes: Axes, structure: ModelStructure, signal: Signal, prediction: LogPrediction, signal_std: Array, points: int
) -> None:
    """Measured minus predicted over time, with ±2 of the fit's standard deviation."""
    names = residual_components(structure, signal)
    residuals = prediction.residuals[:, list(signal.tangent)]
    band = 2 * float(np.max(signal_std[list(signal.tangent)]))
    if np.isfinite(band):
        axes.axhspan(-band, band, color=GRID, alpha=0.7, linewidth=0)
    for i, name in enumerate(names):
        line = shown_line(prediction.times, residuals[:, i], points, prediction.window_starts)
        axes.plot(*line, color=SERIES[i % len(SERIES)], linewidth=0.7, alpha=0.85, label=name)
    if not np.isfinite(residuals).any():
        empty(axes, "no residuals")
    tidy(axes, titled(signal.name, signal.unit), "time [s]")
    if len(names) > 1:
        legend(axes)
    _limit(axes, prediction.times)


def draw_autocorrelation(axes: Axes, structure: ModelStructure, signal: Signal, prediction: LogPrediction) -> None:
    """r over lag up to two horizons, with the band in which white noise stays 95 times in 100."""
    period = float(np.median(np.diff(prediction.times)))
    lags = min(round(2 * structure.horizon_s / period), len(prediction.times) // 2, _LAGS)
    residuals = prediction.residuals[:, list(signal.tangent)]
    samples = int(np.isfinite(residuals).sum(axis=0).max())
    lag_s = period * np.arange(lags + 1)
    band = white_noise_band(samples)
    if samples:
        axes.axhspan(-band, band, color=GRID, linewidth=0)
    else:
        empty(axes, "no residuals")
    axes.axhline(0.0, color=QUIET, linewidth=0.6)
    first = []
    for i in range(residuals.shape[1]):
        r = autocorrelation(residuals[:, i], lags)
        first.append(r[min(1, lags)])
        axes.plot(lag_s, r, color=SERIES[i % len(SERIES)], linewidth=1.0)
    note = f"one step later {shown(float(np.mean(first)), 2)}; white within ±{shown(band, 2)}"
    tidy(axes, "Autocorrelation", "lag [s]", note=note)
    axes.set_xlim(0.0, lag_s[-1] or 1.0)
    lowest = float(axes.dataLim.ymin) if np.isfinite(axes.dataLim.ymin) else -1.0
    axes.set_ylim(min(-0.25, max(-1.0, lowest)) - 0.05, 1.05)


def _shade_windows(axes: Axes, times: Array, starts: Sequence[int]) -> None:
    """Every second window on grey."""
    ends = [*(times[i] for i in starts), *times[-1:]]
    for begin, end in list(pairwise(ends))[::2]:
        axes.axvspan(begin, end, color=GRID, alpha=0.6, linewidth=0)


def _limit(axes: Axes, times: Array) -> None:
    if len(times) > 1:
        axes.set_xlim(times[0], times[-1])
    axes.margins(y=0.08)
