"""An identification of inertias as one HTML file: the tables of the terminal, and all base parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from mpc_controller.identification.fit import Estimated
from mpc_controller.identification.inverse_dynamics.inertial_identification import InertialIdentification
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.report.digits import shown_estimate
from mpc_controller.identification.report.inertial_estimates import (
    base_estimates,
    body_estimates,
    joint_estimates,
    torque_error_rows,
)
from mpc_controller.identification.report.page import Column, bullets, escape, facts, page, paragraph, table
from mpc_controller.identification.report.words import sentence
from mpc_controller.whole_file import objection, write_whole

_NUMBERS: Final = tuple(Column(title, "number") for title in ("nominal", "estimate", "95 % interval", "change"))
_BODIES: Final = (
    "What hangs behind each joint, with all that is fixed to it, in the joint's frame; inertia about the centre of mass. "
    "From prior: the motion shows little of it, and the value is near the model file's."
)
_BASE: Final = "Sums of parameters that the torques determine by themselves, by least squares and without the model file."
_ERRORS: Final = "Error of every joint's torque over the torque, both as root mean squares."


def write_inertial_report(identification: InertialIdentification, logs: Sequence[Log], path: Path, force: bool) -> None:
    """Write the page to `path`, whole or not at all. Raises IdentificationError where something is in the way."""
    if reason := objection(path, force):
        raise IdentificationError(reason)
    write_whole(path, inertial_report(identification, logs))


def inertial_report(identification: InertialIdentification, logs: Sequence[Log]) -> str:
    """The page as text."""
    structure = identification.structure
    bodies = [(escape(joint), _rows(estimates)) for joint, estimates in body_estimates(identification).items()]
    notes = [sentence(note) for note in identification.notes]
    return page(
        f"Inertias of {structure.name}",
        structure.description,
        [
            ("summary", "Summary", _summary(identification, logs)),
            ("bodies", "Bodies", _table("behind the joint", bodies) + paragraph(_BODIES, "caption")),
            ("joints", "Joints", _table("joint", [("", _rows(joint_estimates(identification)))])),
            ("errors", "Torque errors", _errors(identification) + paragraph(_ERRORS, "caption")),
            ("base", "What the data alone determine", paragraph(_BASE) + _base(identification)),
            ("notes", "Notes", bullets(notes) if notes else paragraph("Nothing to note.")),
        ],
    )


def _summary(identification: InertialIdentification, logs: Sequence[Log]) -> str:
    fits = (identification.least_squares, identification.consistent)
    facts_of_it = facts(
        [
            ("Model", identification.structure.name),
            ("Method", identification.consistent.method),
            ("Samples", f"{fits[0].condensed[0].count:.0f}"),
            ("Time", f"{sum(fit.seconds for fit in fits):.2g} s"),
        ]
    )
    columns = (Column("log"), Column("used", "number"), Column("SHA-256"))
    rows = [(escape(log.name), f"{log.duration_s:.1f} s", f"<code>{escape(log.digest)}</code>") for log in logs]
    return facts_of_it + table(columns, [("", rows)])


def _base(identification: InertialIdentification) -> str:
    return _table("sum", [("", _rows(base_estimates(identification)))])


def _table(title: str, blocks: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> str:
    return table((Column(title), *_NUMBERS, Column("seen")), blocks)


def _rows(estimates: Iterable[Estimated]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for e in estimates:
        shown = shown_estimate(e)
        name = f"{escape(e.name)} [{escape(e.unit)}]" if e.unit else escape(e.name)
        numbers = (shown.nominal, f"<b>{shown.estimate}</b>", shown.interval, escape(shown.change))
        rows.append((name, *numbers, escape(e.standing.value)))
    return rows


def _errors(identification: InertialIdentification) -> str:
    columns, rows = torque_error_rows(identification)
    titles = (Column("joint"), *(Column(f"{role}, {kind} [%]", "number") for role, kind in columns))
    return table(titles, [("", [tuple(map(escape, row)) for row in rows])])
