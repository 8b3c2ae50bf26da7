"""Prediction error over the horizon, nominal against fitted, fitted logs against those kept aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from mpc_controller.analysis.style import ACTUAL, DASHED, WANTED, tidy
from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Identification, LogPrediction
from mpc_controller.identification.report.panel import empty, titled

# (role, whether with fitted values): colour, dashes, name.
LINES: Final = {
    ("fitted", False): (WANTED, DASHED, "nominal values, fitted logs"),
    ("validation", False): (WANTED, "solid", "nominal values, validation logs"),
    ("fitted", True): (ACTUAL, DASHED, "fitted values, fitted logs"),
    ("validation", True): (ACTUAL, "solid", "fitted values, validation logs"),
}


def draw_horizon_error(axes: Axes, identification: Identification, index: int) -> None:
    """The error of signal `index`: a thin line a log where there are several, a heavy one for their mean."""
    signal = identification.fit.structure.signals[index]
    drawn = False
    for (role, is_fitted), (colour, style, _) in LINES.items():
        every = identification.predictions if is_fitted else identification.nominal_predictions
        lines = [(_ahead(p), p.error[:, index]) for p in every if p.role == role and np.isfinite(p.error[:, index]).any()]
        if len(lines) > 1:
            for ahead, error in lines:
                axes.plot(ahead, error, color=colour, linestyle=style, linewidth=0.6, alpha=0.5)
        if lines:
            axes.plot(*_mean_line(lines), color=colour, linestyle=style, linewidth=1.8)
            drawn = True
    if not drawn:
        empty(axes, "nothing known")
    tidy(axes, titled(signal.name, signal.unit), "ahead [s]", note="mean error")
    if drawn:
        axes.set_xlim(left=0.0)
        axes.set_ylim(bottom=0.0)


def _ahead(prediction: LogPrediction) -> Array:
    return np.asarray(prediction.period_s * np.arange(1.0, len(prediction.error) + 1))


def _mean_line(lines: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The mean over logs, on the coarsest time base, as far as the shortest reaches."""
    end = float(min(ahead[-1] for ahead, _ in lines))
    base: Array = min((ahead for ahead, _ in lines), key=len)
    base = np.asarray(base[base <= end * (1 + 1e-9)])
    errors = np.stack([np.interp(base, ahead, error) for ahead, error in lines])
    return base, np.asarray(errors.mean(axis=0))
