"""What the data tell of every number: singular values, correlations, and estimates from windows of different length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator, ScalarFormatter

from mpc_controller.analysis.style import ACTUAL, DASHED, LIMIT, QUIET, SERIES, TEXT, WANTED, tidy
from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Estimated, Information
from mpc_controller.identification.report.digits import short, shown
from mpc_controller.identification.report.panel import empty

_DIVERGING: Final = LinearSegmentedColormap.from_list("correlation", (LIMIT, "#ffffff", ACTUAL))
_MOST_WRITTEN: Final = 12  # rows of a correlation matrix in whose cells a number is readable
_DECADES: Final = 12.0  # below the largest singular value, all that is smaller is drawn here


def draw_singular_values(axes: Axes, information: Information) -> None:
    """σ of every direction on a logarithmic axis; red where one standard deviation is more than the scale itself."""
    sigma = information.singular_values
    there = np.isfinite(sigma)
    if not there.any() or not np.nanmax(sigma) > 0:
        empty(axes, "no information")
        tidy(axes, "Singular values")
        return
    floor = np.nanmax(sigma) * 10.0**-_DECADES
    index, drawn = np.arange(1, len(sigma) + 1)[there], np.maximum(sigma[there], floor)
    colours = [LIMIT if value < 1 else ACTUAL for value in drawn]
    axes.set_yscale("log")
    axes.vlines(index, drawn.min() / 3, drawn, color=colours, linewidth=1.2, alpha=0.5)
    axes.scatter(index, drawn, color=colours, s=22, zorder=3)
    if drawn.min() < 30:
        axes.axhline(1.0, color=LIMIT, linewidth=0.8, linestyle=DASHED)
    axes.set_ylim(drawn.min() / 3, drawn.max() * 3)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _power_of_ten(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0.4, len(sigma) + 0.6)
    axes.set_xticks(np.unique(np.linspace(1, len(sigma), min(len(sigma), 12)).round().astype(int)))
    tidy(axes, "Singular values σ [-]", "direction, best seen first", note="below 1: not seen")


def draw_correlations(axes: Axes, information: Information) -> None:
    """The lower triangle of the correlation matrix; numbers in the cells while they are readable."""
    n = len(information.names)
    r = np.where(np.tri(n, k=-1, dtype=bool), information.correlation, np.nan)[1:, : n - 1]
    axes.pcolormesh(np.ma.masked_invalid(r), cmap=_DIVERGING, vmin=-1, vmax=1, edgecolors="white", linewidth=1.0)
    if n <= _MOST_WRITTEN:
        for i, j in np.argwhere(np.isfinite(r)):
            colour = "white" if abs(r[i, j]) > 0.75 else TEXT
            axes.text(j + 0.5, i + 0.5, f"{r[i, j]:.2f}", ha="center", va="center", fontsize=7.5, color=colour)
    axes.set_yticks(np.arange(n - 1) + 0.5, [_short_name(name) for name in information.names[1:]])
    axes.set_xticks(np.arange(n - 1) + 0.5, [_short_name(name) for name in information.names[:-1]], rotation=90)
    axes.invert_yaxis()
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, labelsize=8 if n <= _MOST_WRITTEN else 6, labelcolor=QUIET)


def correlation_size(information: Information) -> tuple[tuple[float, float], float]:
    """Size of the heat map and the margin for its names [inch]."""
    n = len(information.names)
    cell = 0.42 if n <= _MOST_WRITTEN else 0.16
    margin = 0.25 + (0.075 if n <= _MOST_WRITTEN else 0.058) * max(len(_short_name(name)) for name in information.names)
    side = margin + 0.2 + cell * (n - 1)
    return (side + 0.1, side), margin


def draw_window_lengths(lengths_s: Array, estimates: Array, entry: Estimated) -> Callable[[Axes], None]:
    """Estimates (lengths,) of one number, with the interval that is stated for it."""

    def draw(axes: Axes) -> None:
        unit, scale = _scaled(entry)
        there = np.isfinite(estimates) & np.isfinite(lengths_s) & (lengths_s > 0)
        low, high = entry.interval
        if np.isfinite([low, high]).all():
            axes.axhspan(low * scale, high * scale, color=ACTUAL, alpha=0.14, linewidth=0)
        if np.isfinite(entry.statistical):
            for end in (entry.value - entry.statistical, entry.value + entry.statistical):
                axes.axhline(end * scale, color=ACTUAL, linewidth=0.7, linestyle=(0, (1, 2)))
        axes.axhline(entry.value * scale, color=ACTUAL, linewidth=1.0)
        if _is_near(entry, estimates[there]):
            axes.axhline(entry.nominal * scale, color=WANTED, linewidth=1.0, linestyle=DASHED)
        axes.set_xscale("log")
        axes.plot(lengths_s[there], estimates[there] * scale, "o-", color=SERIES[1], markersize=4, linewidth=1.0)
        if there.any():
            axes.set_xlim(lengths_s[there].min() / 1.3, lengths_s[there].max() * 1.3)
        axes.set_xticks(lengths_s[there], [short(float(x), 2) for x in lengths_s[there]])
        axes.xaxis.set_minor_locator(NullLocator())
        tidy(axes, f"{_short_name(entry.name)} [{unit}]", "window [s]")
        axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))

    return draw


def _scaled(entry: Estimated) -> tuple[str, float]:
    """The unit with the power of ten that a plain number would need an exponent for, and the factor to it."""
    _, _, exponent = shown(entry.value).partition("e")
    return (f"1e{exponent} {entry.unit}".rstrip(), 10.0 ** -int(exponent)) if exponent else (entry.unit or "-", 1.0)


def _is_near(entry: Estimated, estimates: Array) -> bool:
    """Whether the nominal value may be shown without flattening all else."""
    seen = [v for v in (*entry.interval, *estimates.tolist()) if np.isfinite(v)]
    span = max(seen) - min(seen) if seen else 0.0
    return bool(seen) and min(seen) - 1.5 * span <= entry.nominal <= max(seen) + 1.5 * span


def _short_name(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"


def _power_of_ten(value: float) -> str:
    power = round(np.log10(value))
    return str(10**power) if 0 <= power <= 3 else "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
