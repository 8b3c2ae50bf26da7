"""An identification as one HTML file that can be mailed, archived and read on a phone."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from mpc_controller.identification.fit import Identification
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.report import pictures, sections
from mpc_controller.identification.report.cross_validation import cross_validation_section
from mpc_controller.identification.report.page import page
from mpc_controller.whole_file import objection, write_whole


def write_report(identification: Identification, logs: Sequence[Log], path: Path, force: bool) -> None:
    """Write the page to `path`, whole or not at all. The `logs` are those fitted and those kept aside, as they were loaded.

    IdentificationError where a file is in the way and `force` is not given, or the folder is missing; OSError where it
    cannot be written.
    """
    _check_free(path, force)
    content = report(identification, logs)
    _check_free(path, force)  # drawing takes seconds, in which others may write
    write_whole(path, content)


def report(identification: Identification, logs: Sequence[Log]) -> str:
    """The page as text."""
    fit = identification.fit
    date = str(fit.parameters.provenance.get("date") or datetime.datetime.now().astimezone().isoformat(" ", "minutes"))
    validated = [("cross-validation", "Cross-validation", cross_validation_section(identification))]
    validated = validated if fit.cross_validation else []
    return page(
        f"Identification of {fit.structure.name}",
        fit.structure.description,
        [
            ("summary", "Summary", sections.summary(identification, logs, date)),
            ("parameters", "Parameters", sections.estimates(fit)),
            ("notes", "Notes", sections.notes(identification, logs)),
            (
                "horizon",
                "Prediction error over the horizon",
                pictures.horizon_figure(identification) + sections.errors(identification),
            ),
            *validated,
            ("prediction", "Measured against predicted", pictures.prediction_figures(identification)),
            ("residuals", "Residuals", pictures.residual_figures(identification)),
            ("information", "What the data see", pictures.information_figures(fit)),
            ("lengths", "Estimate against window length", pictures.window_length_figure(identification)),
        ],
    )


def _check_free(path: Path, force: bool) -> None:
    if reason := objection(path, force):
        raise IdentificationError(reason)
