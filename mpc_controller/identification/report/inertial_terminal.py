"""An identification of inertias as lines for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from mpc_controller.identification.fit import Estimated
from mpc_controller.identification.inverse_dynamics.inertial_identification import KINDS, InertialIdentification
from mpc_controller.identification.report.digits import shown_estimate
from mpc_controller.identification.report.inertial_estimates import (
    base_estimates,
    body_estimates,
    joint_estimates,
    torque_error_rows,
)
from mpc_controller.identification.report.terminal import WIDTH, aligned, note_lines
from mpc_controller.identification.report.words import sentence

_RULE: Final = "─" * WIDTH
_PRODUCTS: Final = ("inertia xy", "inertia xz", "inertia yz")
_HEAD: Final = ("unit", "nominal", "estimate", "95 % interval", "seen")


def format_inertias(identification: InertialIdentification) -> str:
    """Bodies, joints, what the data alone determine, torque errors, and notes; at most WIDTH columns."""
    plain, consistent = identification.least_squares, identification.consistent
    samples = round(plain.condensed[0].count)
    seconds = plain.seconds + consistent.seconds
    return "\n".join(
        [
            f"{identification.structure.name} · {consistent.method} · {samples} samples, {seconds:.2g} s",
            _RULE,
            *_bodies(identification),
            "",
            *_table("joint", joint_estimates(identification)),
            "",
            *_base(identification),
            "",
            *_errors(identification),
            *note_lines([sentence(note) for note in identification.notes]),
            _RULE,
        ]
    )


def _bodies(identification: InertialIdentification) -> list[str]:
    rows: list[tuple[str, ...]] = [("body behind", "", *_HEAD)]
    for joint, estimates in body_estimates(identification).items():
        shown = [e for e in estimates if e.name not in _PRODUCTS]
        rows += [(joint if k == 0 else "", e.name, *_row(e)) for k, e in enumerate(shown)]
    note = "  in the joint's frame, with all that is fixed to it; inertia about the centre; its products are in the file"
    return [*aligned(rows, left=(0, 1, 2, 6)), note]


def _table(title: str, estimates: Sequence[Estimated]) -> list[str]:
    return aligned([(title, *_HEAD), *((e.name, *_row(e)) for e in estimates)], left=(0, 1, 5))


def _base(identification: InertialIdentification) -> list[str]:
    """Sums only: what is seen by itself is in the tables above."""
    every = base_estimates(identification)
    sums = [e for e in every if " " in e.name]
    head, *rows = aligned([("  ", *_HEAD), *(("  ", *_row(e)) for e in sums)], left=(0, 1, 5))
    lines = ["what the data alone determine, by least squares", head]
    for entry, row in zip(sums, rows, strict=True):
        lines += [*textwrap.wrap(entry.name, WIDTH, initial_indent="  ", subsequent_indent="    "), row]
    return [*lines, f"  and {len(every) - len(sums)} parameters by themselves; the file has all {len(every)}"]


def _errors(identification: InertialIdentification) -> list[str]:
    """Of every joint, per role and kind of model, in percent of its torque."""
    columns, rows = torque_error_rows(identification)
    head = [
        ("relative torque error, %", *(role if kind == KINDS[0] else "" for role, kind in columns)),
        ("", *(kind for _, kind in columns)),
    ]
    return aligned([*head, *((f"  {name}", *shares) for name, *shares in rows)], left=(0,))


def _row(entry: Estimated) -> tuple[str, ...]:
    numbers = shown_estimate(entry)
    return entry.unit, numbers.nominal, numbers.estimate, numbers.interval, entry.standing.value
