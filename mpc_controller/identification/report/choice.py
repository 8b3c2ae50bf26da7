"""Which logs, signals and numbers are drawn where there are too many to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Identification, LogPrediction
from mpc_controller.identification.report.page import paragraph

_MOST_SIGNALS: Final = 12
_MOST_ROWS: Final = 24  # of logs times signals, each with four panels
_MOST_NUMBERS: Final = 24


def drawn_signals(identification: Identification) -> tuple[int, ...]:
    """All signals, or those whose error at the end of the horizon is largest by the signal's own spread."""
    count = len(identification.fit.structure.signals)
    if count <= _MOST_SIGNALS:
        return tuple(range(count))
    scores = np.zeros(count)
    for p in identification.predictions:
        scores = np.fmax(scores, _relative_errors(identification, p))
    return tuple(sorted(np.argsort(-scores, kind="stable")[:_MOST_SIGNALS].tolist()))


def drawn_logs(identification: Identification, signals: int) -> tuple[LogPrediction, ...]:
    """All logs, or the worst predicted ones of either role in turn, validation first; in their order."""
    predictions = identification.predictions
    most = max(2, _MOST_ROWS // max(1, signals))
    if len(predictions) <= most:
        return predictions
    scores = [float(np.nan_to_num(_relative_errors(identification, p)).max(initial=0.0)) for p in predictions]
    worst_first = np.argsort(scores)[::-1].tolist()
    roles = ([i for i in worst_first if (predictions[i].role == "validation") == wanted] for wanted in (True, False))
    validation, fitted = roles
    half = max(most - len(fitted), (most + 1) // 2)
    chosen = validation[:half]
    chosen += fitted[: most - len(chosen)]
    return tuple(predictions[i] for i in sorted(chosen))


def drawn_numbers(identification: Identification) -> tuple[int, ...]:
    """Of the estimated numbers known for at least two window lengths, those that vary most by their half-width."""
    by_length = identification.by_window_length
    estimated = identification.fit.estimated
    if len(identification.window_lengths_s) < 2 or by_length.shape != (len(identification.window_lengths_s), len(estimated)):
        return ()
    known = np.flatnonzero(np.isfinite(by_length).sum(axis=0) >= 2).tolist()
    spread = {i: float(np.ptp(by_length[np.isfinite(by_length[:, i]), i])) for i in known}
    scores = {i: np.nan_to_num(spread[i] / (estimated[i].half_width or np.nan)) for i in known}
    return tuple(sorted(sorted(known, key=lambda i: -scores[i])[:_MOST_NUMBERS]))


def left_out(reason: str, names: Sequence[str]) -> str:
    """A sentence, or nothing where nothing was left out."""
    return paragraph(f"{reason}: {', '.join(names)}.") if names else ""


def _relative_errors(identification: Identification, prediction: LogPrediction) -> Array:
    """(signals,): error at the end of the horizon by the standard deviation of what was measured."""
    result = []
    for i, signal in enumerate(identification.fit.structure.signals):
        rows = prediction.measured[:, list(signal.columns)]
        rows = rows[np.isfinite(rows).all(axis=1)]
        spread = float(np.sqrt(rows.var(axis=0).sum())) if len(rows) else 0.0
        end = float(prediction.error[-1, i]) if len(prediction.error) else np.nan
        result.append(end / spread if spread > 0 else np.nan)
    return np.asarray(result)
