"""From logs to a residual: one step ahead, over the horizon, with what was held out deciding; then judged by other logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.learning.data_set import DataSet, divided
from mpc_controller.learning.extra import double_precision, require
from mpc_controller.learning.labels import Labels, labels_of
from mpc_controller.learning.options import LearnOptions
from mpc_controller.learning.provenance import provenance_of
from mpc_controller.learning.trace import Trace
from mpc_controller.learning.validation import Row, validated
from mpc_controller.model.dynamics import equations_hash
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Residual


@final
@dataclass(frozen=True)
class LearnedResidual:
    """residual, with `accepted`; rows of the table, learned logs first; reason: why it was not accepted, in words. curves:
    losses by epoch, `training` and every `left out ...`, relative to physics alone. notes: sentences for people. interrupted:
    whether training was stopped by hand. traces: of the held-out logs. port: names and units of what it sees and gives."""

    residual: Residual
    rows: tuple[Row, ...]
    reason: str
    curves: Mapping[str, tuple[float, ...]]
    notes: tuple[str, ...]
    interrupted: bool
    traces: tuple[Trace, ...] = ()
    port: ResidualPort | None = None


def learn(
    structure: ModelStructure,
    logs: Sequence[Log],
    options: LearnOptions | None = None,
    validation: Sequence[Log] = (),
    report: Callable[[str], None] = lambda line: None,
    *,
    hold_out: float = 0.0,
    model_hash: str | None = None,
) -> LearnedResidual:
    """Learn what the structure's physics, with the parameters that its dynamics have, leaves out of `logs`.

    validation: logs that judge; without them the last of `logs` does, or with hold_out the end of each. model_hash: the robot's
    (None: of a machine that is no Robot, its own equations'). The same seed gives the same residual to the last bit. Ctrl-C
    gives the best so far. Raises LearningError, IdentificationError, CompilerError.
    """
    options = options or LearnOptions()
    require()
    learned, judging = divided(structure, logs, validation, hold_out)
    with double_precision():
        data = DataSet(structure, report)
        tracks, judges = data.tracks(learned), data.tracks(judging)
        labels = labels_of(data, tracks)
        from mpc_controller.learning.jax_training import trained

        outcome = trained(data, tracks, labels, options, report)
    report("judging by what was held out")
    residual = replace(
        outcome.residual,
        robot=structure.name,
        model_hash=model_hash or equations_hash(structure.name, structure.dynamics, structure.measured),
        parameters={p.name: float(p.value) for p in structure.dynamics.parameters},
        feature_names=data.step.port.feature_names,
        output_names=data.step.port.output_names,
        family=str(options.family),
    )
    judged = validated(data, residual, judges, tracks, report)
    residual = replace(
        residual,
        accepted=judged.accepted,
        metrics=_metrics(judged.rows, judged.reason, labels, outcome.factors, residual.output_names),
        provenance=provenance_of(structure, tracks, judges, {"options": _chosen(options), "interrupted": outcome.interrupted}),
    )
    notes = (*_label_notes(labels, residual.output_names), *outcome.notes)
    return LearnedResidual(
        residual, judged.rows, judged.reason, outcome.curves, notes, outcome.interrupted, judged.traces, data.step.port
    )


def _label_notes(labels: Labels, names: Sequence[str]) -> list[str]:
    noisy = [f"{name} ({share:.0%})" for name, share in zip(names, labels.noise_share, strict=True) if share > 0.5]
    return [f"labels are mostly noise: {', '.join(noisy)}, over {labels.block} samples"] if noisy else []


def _metrics(rows: Sequence[Row], reason: str, labels: Labels, factors: Array, names: Sequence[str]) -> dict[str, Any]:
    return {
        "rows": [row.as_json() for row in rows],
        "reason": reason,
        "label_noise_share": dict(zip(names, labels.noise_share.tolist(), strict=True)),
        "label_samples": labels.block,
        "kept": dict(zip(names, factors.tolist(), strict=True)),
    }


def _chosen(options: LearnOptions) -> dict[str, Any]:
    chosen = {name: getattr(options, name) for name in options.__dataclass_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}
