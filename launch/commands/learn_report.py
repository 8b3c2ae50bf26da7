"""What `mpc learn` found, for the terminal and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from mpc_controller.identification.report.page import Column, bullets, escape, facts, figure, page, paragraph, table
from mpc_controller.identification.report.panel import panel
from mpc_controller.identification.report.terminal import aligned, note_lines
from mpc_controller.learning.learn import LearnedResidual
from mpc_controller.learning.validation import Row
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.residual.residual_file import described
from mpc_controller.whole_file import objection, write_whole

_HEAD = ("log", "", "signal", "physics", "with residual", "ratio", "outside")


def format_learned_residual(learned: LearnedResidual) -> str:
    """Errors cumulated over the horizon, log by log and signal by signal; then what is said of them."""
    rows = [_HEAD]
    for row in learned.rows:
        for k, (signal, unit) in enumerate(zip(row.signals, row.units, strict=True)):
            first = (row.log, row.role) if k == 0 else ("", "")
            outside = f"{row.outside:.1%}" if k == 0 else ""
            rows.append((*first, f"{signal} [{unit or '-'}]", *_numbers(row, k), outside))
    lines = ["error cumulated over the horizon; outside: samples beyond what was learned from", *aligned(rows, left=(0, 1, 2))]
    return "\n".join([*lines, "", verdict(learned), *note_lines([_sentence(note) for note in learned.notes])])


def verdict(learned: LearnedResidual) -> str:
    """In one sentence."""
    held_out = [row.ratio for row in learned.rows if row.role == "held out"]
    if learned.residual.accepted:
        return f"accepted: on what was held out the error is {np.mean(held_out):.3f} of that of physics alone"
    return f"NOT accepted: {learned.reason}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def write_learning_report(learned: LearnedResidual, path: Path, force: bool) -> None:
    """The page, whole or not at all. FileExistsError where a file is in the way and `force` is not given."""
    if reason := objection(path, force):
        raise FileExistsError(reason)
    write_whole(path, _page(learned))


def _page(learned: LearnedResidual) -> str:
    residual = learned.residual
    sections = [
        ("summary", "Summary", paragraph(_sentence(verdict(learned))) + facts(_facts(learned)) + _options(learned)),
        ("errors", "Error over the horizon", _ratio_figure(learned) + _error_table(learned)),
        ("features", "What it was learned from", _feature_figure(residual)),
        ("outputs", "What it corrects", _output_table(residual)),
    ]
    if learned.curves:
        sections.insert(2, ("training", "Training", _curve_figure(learned)))
    if learned.notes:
        sections.insert(1, ("notes", "Notes", bullets([_sentence(note) for note in learned.notes])))
    return page(f"Learned residual of {residual.robot}", described(residual), sections)


def _facts(learned: LearnedResidual) -> list[tuple[str, str]]:
    given = learned.residual.provenance
    files = [(name.replace("_", " "), _names(given[name])) for name in ("logs", "validation_logs") if name in given]
    return [
        ("model", f"{learned.residual.robot} {learned.residual.model_hash}"),
        *((name, str(given[name])) for name in ("date", "network") if name in given),
        *files,
    ]


def _names(files: Sequence[str]) -> str:
    """Without their digests."""
    return ", ".join(name.partition(" ")[0] for name in files)


def _options(learned: LearnedResidual) -> str:
    options = learned.residual.provenance.get("options", {})
    told = ", ".join(f"{name} {value}" for name, value in options.items() if value is not None)
    return paragraph(f"Options: {told}.") if told else ""


def _numbers(row: Row, k: int) -> tuple[str, str, str]:
    return f"{row.physics[k]:.4g}", f"{row.fused[k]:.4g}", f"{row.ratios[k]:.3f}"


def _error_table(learned: LearnedResidual) -> str:
    columns = (
        Column("signal"),
        Column("physics alone", "number"),
        Column("with residual", "number"),
        Column("ratio", "number"),
    )
    blocks = [
        (
            f"{escape(row.log)}: {row.role}, {row.outside:.1%} of the samples outside of the training data",
            [(escape(f"{signal} [{row.units[k] or '-'}]"), *_numbers(row, k)) for k, signal in enumerate(row.signals)],
        )
        for row in learned.rows
    ]
    return table(columns, blocks)


def _ratio_figure(learned: LearnedResidual) -> str:
    rows = learned.rows

    def draw(axes: Axes) -> None:
        names = rows[0].signals
        width = 0.8 / len(rows)
        for i, row in enumerate(rows):
            at = np.arange(len(names)) + (i - (len(rows) - 1) / 2) * width
            axes.bar(at, row.ratios, width, color="C0" if row.role == "learned" else "C1")
        axes.axhline(1.0, color="0.4", linewidth=0.8)
        axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=7)
        axes.set_title("error with residual / physics alone", fontsize=9)

    return figure(
        [panel(draw, "Error with the residual relative to physics alone, by signal and log")],
        "One bar a log: blue ones were learned from, orange ones judge. Below 1 the residual helps.",
        columns=1,
    )


def _curve_figure(learned: LearnedResidual) -> str:
    def draw(axes: Axes) -> None:
        for name, values in learned.curves.items():
            if values:
                axes.plot(range(len(values)), values, linewidth=1.2 if name == "training" else 0.8, label=name[:40])
        axes.set_title("loss relative to physics alone, by epoch", fontsize=9)
        axes.legend(fontsize=6)

    return figure(
        [panel(draw, "Loss by epoch")],
        "Each log is left out in turn to say when to stop; the last training, with all logs, goes on for as long.",
        columns=1,
    )


def _feature_figure(residual: Residual) -> str:
    guard, center, scale = residual.guard, residual.center, residual.scale
    rows = [
        (
            escape(name.replace("_", " ")),
            f"{center[i] + scale[i] * guard.lower[i]:.4g}",
            f"{center[i] + scale[i] * guard.upper[i]:.4g}",
            f"{scale[i] * guard.fade[i]:.3g}",
        )
        for i, name in enumerate(residual.feature_names)
    ]
    columns = (Column("feature"), Column("from", "number"), Column("to", "number"), Column("fades within", "number"))
    return table(columns, [("", rows)]) + paragraph(
        "Beyond these ranges, and where the features were never together as they are, the correction fades to nothing."
    )


def _output_table(residual: Residual) -> str:
    kept = residual.metrics.get("kept", {})
    noise = residual.metrics.get("label_noise_share", {})
    rows = [
        (
            escape(name.replace("_", " ")),
            f"{residual.guard.bound[i]:.4g}",
            f"{kept[name]:g}" if name in kept else "-",
            f"{noise[name]:.0%}" if name in noise else "-",
        )
        for i, name in enumerate(residual.output_names)
    ]
    columns = (Column("output"), Column("bound", "number"), Column("kept", "number"), Column("noise in its labels", "number"))
    return table(columns, [("", rows)]) + paragraph(
        "Kept: what every output was scaled by, as it served logs that were left out; 0 where it did not."
    )
