"""Whether a residual helps: errors over the horizon with it and without, log by log, with the code that the controller runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.learning.data_set import DataSet, Track
from mpc_controller.learning.options import LearningError
from mpc_controller.learning.rollout import horizon_error, no_correction
from mpc_controller.learning.trace import Trace, trace_of
from mpc_controller.model.residual.residual import Residual
from mpc_controller.native.native_residual import NativeResidual
from mpc_controller.native.residual_code import pack

# A signal that gets worse by more than this on the held-out logs together is worse.
TOLERANCE = 1e-3


@final
@dataclass(frozen=True, eq=False)
class HorizonCurve:
    """Mean errors after `ahead` (H,) [s], with physics alone and with the residual, both (H, signals)."""

    ahead: Array
    physics: Array
    fused: Array


@final
@dataclass(frozen=True)
class Row:
    """Errors of one log: cumulated over the horizon, a number a signal, with physics alone and with the residual; the share of
    samples, measured and predicted, that lie outside what was trained (gate below a half). role: "learned" or "held out".
    curve: what was cumulated, for pictures."""

    log: str
    role: str
    signals: tuple[str, ...]
    units: tuple[str, ...]
    physics: tuple[float, ...]
    fused: tuple[float, ...]
    outside: float
    curve: HorizonCurve | None = field(default=None, compare=False, repr=False)

    @property
    def ratios(self) -> tuple[float, ...]:
        """(signals,): below 1 the residual helps."""
        return tuple(b / a if a > 0 else 1.0 for a, b in zip(self.physics, self.fused, strict=True))

    @property
    def ratio(self) -> float:
        """Mean over signals."""
        return float(np.mean(self.ratios))

    def as_json(self) -> dict[str, Any]:
        numbers = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "curve"}
        return {**numbers, "ratios": self.ratios, "ratio": self.ratio}


@final
@dataclass(frozen=True)
class Validation:
    """accepted: over all held-out logs together no signal's error is above that of physics alone, the mean of all signals is
    below it, and no single log's mean is above. reason: why not, in words. traces: of the held-out logs."""

    rows: tuple[Row, ...]
    accepted: bool
    reason: str
    traces: tuple[Trace, ...] = ()


def validate(
    structure: ModelStructure,
    residual: Residual,
    held_out: Sequence[Log],
    learned: Sequence[Log] = (),
    report: Callable[[str], None] = lambda line: None,
) -> Validation:
    """Judge a residual by logs that it was not learned from; those that it was are shown beside them. Raises LearningError,
    IdentificationError, CompilerError."""
    data = DataSet(structure, report)
    return validated(data, residual, data.tracks(held_out), data.tracks(learned), report)


def validated(
    data: DataSet,
    residual: Residual,
    held_out: Sequence[Track],
    learned: Sequence[Track] = (),
    report: Callable[[str], None] = lambda line: None,
) -> Validation:
    """The same of tracks."""
    native, packed = NativeResidual(residual.shape, report), pack(residual)
    signals = data.structure.signals
    rows = []
    for role, tracks in (("learned", learned), ("held out", held_out)):
        for track in tracks:
            physics = horizon_error(data, track, no_correction(data.step.nr))
            fused = horizon_error(data, track, lambda z: native.values(packed, z))
            if not np.isfinite(physics.cumulated).all():
                if role == "held out":
                    steps = data.steps_of(track)
                    raise LearningError(
                        f"{track.log.name}: no piece is longer than the horizon, {steps} steps; it cannot judge"
                    )
                continue
            cumulated = np.where(np.isfinite(fused.cumulated), fused.cumulated, np.inf)
            rows.append(
                Row(
                    track.log.name,
                    role,
                    tuple(s.name for s in signals),
                    tuple(s.unit for s in signals),
                    tuple(physics.cumulated.tolist()),
                    tuple(cumulated.tolist()),
                    fused.outside,
                    HorizonCurve(track.log.period_s * np.arange(1.0, len(physics.error) + 1), physics.error, fused.error),
                )
            )
    reason = _objection([row for row in rows if row.role == "held out"])
    traces = tuple(trace_of(data, native, residual, track) for track in held_out)
    return Validation(tuple(rows), not reason, reason, traces)


def _objection(rows: Sequence[Row]) -> str:
    if not rows:
        return "no log was held out"
    ratios = np.array([row.ratios for row in rows])
    together = ratios.mean(axis=0)
    worse = [f"{name} {r:.3f}" for name, r in zip(rows[0].signals, together, strict=True) if not r <= 1 + TOLERANCE]
    if worse:
        return f"held-out errors relative to physics alone are above 1: {', '.join(worse)}"
    for row in rows:
        if not row.ratio <= 1 + TOLERANCE:
            return f"on {row.log} the error is {row.ratio:.3f} of that of physics alone"
    if not together.mean() < 1 - TOLERANCE:
        return f"held-out errors are {together.mean():.4f} of those of physics alone: no gain"
    return ""
