"""The pictures of a report, grouped into figures with captions."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import partial
from typing import Final

import numpy as np

from mpc_controller.analysis.style import DASHED
from mpc_controller.identification.fit import Fit, Identification, LogPrediction
from mpc_controller.identification.report import captions
from mpc_controller.identification.report.choice import drawn_logs, drawn_numbers, drawn_signals, left_out
from mpc_controller.identification.report.digits import short
from mpc_controller.identification.report.horizon_panels import LINES, draw_horizon_error
from mpc_controller.identification.report.information_panels import (
    correlation_size,
    draw_correlations,
    draw_singular_values,
    draw_window_lengths,
)
from mpc_controller.identification.report.page import bullets, escape, figure, paragraph
from mpc_controller.identification.report.panel import SMALL, panel
from mpc_controller.identification.report.time_panels import (
    draw_autocorrelation,
    draw_prediction,
    draw_residuals,
    worst_stretch,
)
from mpc_controller.identification.report.words import strong_correlations, weak_directions

_ALL_POINTS: Final = 90_000  # of lines over time, in the whole page: about 2.5 MB
_DASHED: Final = ' stroke-dasharray="5 3"'
_NOTHING: Final = paragraph("No log was predicted.")


def horizon_figure(identification: Identification) -> str:
    """Prediction error over the horizon, a panel a signal."""
    fit = identification.fit
    if not identification.predictions:
        return _NOTHING
    signals = drawn_signals(identification)
    panels = [
        panel(
            partial(draw_horizon_error, identification=identification, index=i),
            f"Prediction error of {fit.structure.signals[i].name} over the horizon, nominal against fitted",
        )
        for i in signals
    ]
    return (
        _horizon_key({p.role for p in identification.predictions})
        + figure(panels, captions.HORIZON)
        + _left_out_signals(fit, signals)
    )


def prediction_figures(identification: Identification) -> str:
    """Measured against predicted, a figure a log: every signal as a whole and where it fits worst."""
    fit, (logs, signals) = identification.fit, _drawn(identification)
    points, figures = _points(fit, logs, signals), []
    for log in logs:
        if len(log.times) < 2:
            continue
        stretch = worst_stretch(log, fit.structure, fit.signal_std)
        panels = []
        for i in signals:
            signal = fit.structure.signals[i]
            name = f"{signal.name} of {log.log}"
            draw = partial(draw_prediction, structure=fit.structure, signal=signal, prediction=log, points=points)
            panels.append(panel(draw, f"Measured and predicted {name}"))
            zoomed = f"Measured and predicted {name} from {stretch[0]:.2f} to {stretch[1]:.2f} s"
            panels.append(panel(partial(draw, stretch=stretch), zoomed))
        caption = captions.ONE_PREDICTION.format(log=log.log, begin=stretch[0], end=stretch[1])
        figures.append(figure(panels, caption, f"{log.log} ({log.role})"))
    reading = captions.PREDICTION.format(horizon=short(fit.structure.horizon_s))
    return _over_logs(identification, reading, figures)


def residual_figures(identification: Identification) -> str:
    """Residuals over time and their autocorrelation, a figure a log."""
    fit, (logs, signals) = identification.fit, _drawn(identification)
    points, figures = _points(fit, logs, signals), []
    for log in logs:
        if len(log.times) < 2:
            continue
        panels = []
        for i in signals:
            signal = fit.structure.signals[i]
            name = f"{signal.name} of {log.log}"
            over_time = partial(draw_residuals, structure=fit.structure, signal=signal, prediction=log)
            band = partial(over_time, signal_std=fit.signal_std, points=points)
            panels.append(panel(band, f"Residuals of {name} over time"))
            correlated = partial(draw_autocorrelation, structure=fit.structure, signal=signal, prediction=log)
            panels.append(panel(correlated, f"Autocorrelation of the residuals of {name}"))
        figures.append(figure(panels, captions.ONE_RESIDUAL.format(log=log.log), f"{log.log} ({log.role})"))
    return _over_logs(identification, captions.RESIDUALS, figures)


def information_figures(fit: Fit) -> str:
    """Singular values with the worst directions in words, and correlations."""
    information = fit.information
    if not len(information.names):
        return paragraph("No number was estimated.")
    singular = partial(draw_singular_values, information=information)
    drawn = panel(singular, "Singular values of the information matrix, on a logarithmic axis")
    words = weak_directions(fit)
    return "".join(
        [
            figure([drawn], captions.SINGULAR_VALUES, columns=1),
            *([paragraph("What the data see least:"), bullets(words)] if words else []),
            _correlations(fit),
        ]
    )


def window_length_figure(identification: Identification) -> str:
    """Every number as fitted from windows of one length, over that length."""
    fit = identification.fit
    lengths, by_length = identification.window_lengths_s, identification.by_window_length
    numbers = drawn_numbers(identification)
    if not numbers:
        return paragraph("Windows of one length only were fitted, so nothing is known between lengths.")
    panels = [
        panel(
            draw_window_lengths(lengths, by_length[:, i], fit.estimated[i]),
            f"Estimate of {fit.estimated[i].name} from windows of different length",
            SMALL,
        )
        for i in numbers
    ]
    known = np.flatnonzero(np.isfinite(by_length).any(axis=0)).tolist()
    rest = [fit.estimated[i].name for i in known if i not in numbers]
    return figure(panels, captions.WINDOW_LENGTHS, columns=3) + left_out("Not drawn, as they vary less", rest)


def _correlations(fit: Fit) -> str:
    information = fit.information
    if len(information.names) < 2:
        return paragraph("A single number was estimated, so there are no correlations.")
    if not np.isfinite(information.correlation).any():
        return paragraph("The correlations of the estimates are unknown.")
    size, margin = correlation_size(information)
    heat = partial(draw_correlations, information=information)
    drawn = panel(heat, "Correlation matrix of the estimates", size, left=margin, bottom=margin, top=0.1)
    pairs = strong_correlations(information)
    strongest = [paragraph("The strongest correlations:"), bullets(pairs)] if pairs else []
    return "".join([figure([drawn], captions.CORRELATIONS, columns=1), *strongest])


def _horizon_key(roles: Set[str]) -> str:
    """The lines of those panels, once for all of them."""
    start = '<svg class="inline" viewBox="0 0 34 8" aria-hidden="true"><line x1="2" x2="32" y1="4" y2="4" stroke-width="2.4"'
    entries = [
        f'<span>{start} stroke="{colour}"{_DASHED if dashes == DASHED else ""}/></svg>{escape(name)}</span>'
        for (role, _), (colour, dashes, name) in LINES.items()
        if role in roles
    ]
    return f'<div class="key">{"".join(entries)}</div>'


def _drawn(identification: Identification) -> tuple[tuple[LogPrediction, ...], tuple[int, ...]]:
    signals = drawn_signals(identification)
    return drawn_logs(identification, len(signals)), signals


def _points(fit: Fit, logs: Sequence[LogPrediction], signals: Sequence[int]) -> int:
    """Points a line, so that the page stays small however much there is to draw: measured and predicted twice, residuals."""
    lines = 5 * max(1, len(logs)) * sum(len(fit.structure.signals[i].tangent) for i in signals)
    return int(np.clip(_ALL_POINTS // max(1, lines), 100, 600))


def _over_logs(identification: Identification, reading: str, figures: Sequence[str]) -> str:
    """How to read them, the figures of the logs, and what is not among them."""
    logs, signals = _drawn(identification)
    if not figures:
        return _NOTHING
    drawn = [log.log for log in logs]
    rest = [p.log for p in identification.predictions if p.log not in drawn]
    unseen = left_out("Logs not drawn, as they are predicted better", rest)
    return paragraph(reading) + "".join(figures) + unseen + _left_out_signals(identification.fit, signals)


def _left_out_signals(fit: Fit, signals: Sequence[int]) -> str:
    rest = [s.name for i, s in enumerate(fit.structure.signals) if i not in signals]
    return left_out("Signals not drawn, as they are predicted better", rest)
