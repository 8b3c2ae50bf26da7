"""Every log predicted by a fit to the others, as rows for the terminal and as a section of the page."""

from __future__ import annotations

from typing import Final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Identification
from mpc_controller.identification.report.digits import shown
from mpc_controller.identification.report.page import Column, escape, paragraph, table

ERROR_HEAD: Final = ("cross-validation", "error at the end", "unit", "nominal", "without it", "with it")
ESTIMATE_HEAD: Final = ("estimate", "unit", "all logs", "lowest without one", "highest")
_MOST_ROWS: Final = 24  # with more, means over the logs are shown
_READING = (
    "Every log predicted by a fit to all others (without it), and by the fit to all logs (with it): mean errors at the end of "
    "the horizon. Where they differ much, the logs are too few, or differ in what the model leaves out. Below, how far the "
    "estimates move when one log is left out; the 95 % intervals cover it."
)


def error_rows(identification: Identification) -> list[tuple[str, ...]]:
    """Log, signal, unit, and the mean errors at the end of the horizon; [] without cross-validation."""
    validated = identification.fit.cross_validation
    if validated is None:
        return []
    fitted = [
        [p for p in some if p.role == "fitted"] for some in (identification.nominal_predictions, identification.predictions)
    ]
    kinds = [[_end(p.error) for p in fitted[0]], [_end(e) for e in validated.errors], [_end(p.error) for p in fitted[1]]]
    names, signals = list(validated.logs), identification.fit.structure.signals
    if len(names) * len(signals) > _MOST_ROWS:
        names, kinds = [f"mean of {len(names)} logs"], [[np.mean(kind, axis=0)] for kind in kinds]
    return [
        (name if k == 0 else "", signal.name.replace("_", " "), signal.unit, *(shown(float(kind[log][k])) for kind in kinds))
        for log, name in enumerate(names)
        for k, signal in enumerate(signals)
    ]


def estimate_rows(identification: Identification) -> list[tuple[str, ...]]:
    """Of every estimate: name, unit, value, and the lowest and highest with one log left out; [] without cross-validation."""
    validated = identification.fit.cross_validation
    if validated is None:
        return []
    ends = zip(validated.estimates.min(axis=0), validated.estimates.max(axis=0), strict=True)
    return [
        (e.name, e.unit, shown(e.value, 4), shown(float(low), 4), shown(float(high), 4))
        for e, (low, high) in zip(identification.fit.estimated, ends, strict=True)
    ]


def cross_validation_section(identification: Identification) -> str:
    """Both tables as HTML, and how to read them."""
    parts = ((ERROR_HEAD, error_rows(identification), 3), (ESTIMATE_HEAD, estimate_rows(identification), 2))
    tables = [
        table(
            [Column(title, "number" if k >= first else "") for k, title in enumerate(head)],
            [("", [[escape(cell) for cell in row] for row in rows])],
        )
        for head, rows, first in parts
    ]
    return tables[0] + paragraph(_READING, "caption") + tables[1]


def _end(error: Array) -> Array:
    """(signals,) of (steps, signals); NaN where a log is too short."""
    return error[-1] if len(error) else np.full(error.shape[1], np.nan)
