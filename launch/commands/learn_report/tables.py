"""Tables of the page: what it was made from, errors, features and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from launch.commands.learn_report.words import share
from mpc_controller.arrays import Array
from mpc_controller.identification.report.page import Column, escape, facts, paragraph, table
from mpc_controller.learning.learn import LearnedResidual
from mpc_controller.learning.trace import Trace, explained_share

_MOST_ROWS: Final = 24  # of errors; more are folded away


def summary_facts(learned: LearnedResidual) -> str:
    """What it belongs to, when and from which files it was made, with which options."""
    given = learned.residual.provenance
    pairs = [("Model", learned.residual.robot), ("Equations", learned.residual.model_hash)]
    pairs += [("Date", str(given["date"]))] if "date" in given else []
    for title, key in (("Learned from", "logs"), ("Judged by", "validation_logs")):
        if given.get(key):
            pairs.append((title, _names(given[key])))
    if "network" in given:
        pairs.append(("Network", _names([str(given["network"])])))
    options = given.get("options", {})
    told = ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in options.items() if value is not None)
    return facts(pairs) + (paragraph(f"Options: {told}.", "caption") if told else "")


def error_table(learned: LearnedResidual) -> str:
    columns = (
        Column("signal"),
        Column("physics alone", "number"),
        Column("with residual", "number"),
        Column("ratio", "number"),
    )
    blocks = []
    for row in learned.rows:
        cells = []
        for k, signal in enumerate(row.signals):
            kind = "better" if row.ratios[k] < 1 else "worse"
            ratio = f'<span class="{kind}">{row.ratios[k]:.3f}</span>'
            name = f'{escape(signal.replace("_", " "))} <span class="unit">[{escape(row.units[k] or "-")}]</span>'
            cells.append((name, f"{row.physics[k]:.4g}", f"{row.fused[k]:.4g}", ratio))
        said = f"{row.role}; {share(row.outside)} of the samples outside of what was learned from"
        blocks.append((f"{escape(row.log)} <span>{escape(said)}</span>", cells))
    whole = table(columns, blocks)
    if sum(len(cells) for _, cells in blocks) <= _MOST_ROWS:
        return whole
    return f"<details><summary>The errors of all {len(blocks)} logs</summary>{whole}</details>"


def feature_table(learned: LearnedResidual) -> str:
    """Ranges, and how often held-out logs were beyond."""
    residual = learned.residual
    guard, center, scale = residual.guard, residual.center, residual.scale
    units = learned.port.feature_units if learned.port else [""] * len(residual.feature_names)
    beyond = _beyond(learned)
    columns = [Column("feature"), Column("from", "number"), Column("to", "number"), Column("fades within", "number")]
    rows = []
    for i, name in enumerate(residual.feature_names):
        numbers = center[i] + scale[i] * guard.lower[i], center[i] + scale[i] * guard.upper[i], scale[i] * guard.fade[i]
        row = [f'{escape(name.replace("_", " "))} <span class="unit">[{escape(units[i] or "-")}]</span>']
        row += [f"{number:.3g}" for number in numbers]
        rows.append(row if beyond is None else [*row, escape(share(float(beyond[i])))])
    if beyond is not None:
        columns.append(Column("beyond, held out", "number"))
    return table(columns, [("", rows)]) + paragraph(
        "Beyond these ranges, and where the features were never together as they are, the correction fades to nothing.",
        "caption",
    )


def output_table(learned: LearnedResidual) -> str:
    residual = learned.residual
    kept, noise = residual.metrics.get("kept", {}), residual.metrics.get("label_noise_share", {})
    units = learned.port.output_units if learned.port else [""] * len(residual.output_names)
    columns = [Column("output"), Column("at most", "number")]
    columns += [Column("kept", "number"), Column("noise in its labels", "number")] if kept else []
    explained = explained_by(learned.traces)
    columns += [] if explained is None else [Column("explained, held out", "number")]
    rows = []
    for i, name in enumerate(residual.output_names):
        row = [f'{escape(name.replace("_", " "))} <span class="unit">[{escape(units[i] or "-")}]</span>']
        row.append(f"{residual.guard.bound[i]:.3g}")
        row += [f"{kept[name]:g}", escape(share(noise[name]))] if kept else []
        row += [] if explained is None else [escape(share(float(explained[i])))]
        rows.append(row)
    told = "At most: beyond this size, the largest that was seen, outputs bend."
    if kept:
        told += " Kept: what each was scaled by, as it served logs that were left out; 0 where it did not."
    return table(columns, [("", rows)]) + paragraph(told, "caption")


def explained_by(traces: Sequence[Trace]) -> Array | None:
    """(nr,): how much of all labels together is explained."""
    if not sum(len(trace.times) for trace in traces):
        return None
    return explained_share(np.concatenate([t.wanted for t in traces]), np.concatenate([t.given for t in traces]))


def _beyond(learned: LearnedResidual) -> Array | None:
    """(nz,): the share of held-out samples beyond each feature's range."""
    traces = [trace for trace in learned.traces if len(trace.gate)]
    if not traces:
        return None
    return np.asarray(np.average([trace.beyond for trace in traces], axis=0, weights=[len(trace.gate) for trace in traces]))


def _names(files: Sequence[str]) -> str:
    """Without their digests."""
    return ", ".join(name.partition(" sha256:")[0] for name in files)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " x ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
