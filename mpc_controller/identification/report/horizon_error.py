"""How far predictions are off at the end of the horizon and over it, before and after the fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Identification, LogPrediction
from mpc_controller.identification.model_structure import Signal
from mpc_controller.identification.report.digits import short


@final
@dataclass(frozen=True)
class ErrorChange:
    """Errors of one signal, in its unit, predicted with nominal and with fitted values; NaN where unknown.

    open_loop: RMS over pieces simulated whole from their first states, not finite where the simulation ran away.
    """

    signal: Signal
    nominal_end: float
    fitted_end: float
    nominal_cumulated: float
    fitted_cumulated: float
    nominal_open_loop: float
    fitted_open_loop: float


@final
@dataclass(frozen=True)
class LogErrors:
    """The errors of one log, or the means of several; the horizon is `steps` of `period_s`."""

    title: str
    role: str
    steps: int
    period_s: float
    changes: tuple[ErrorChange, ...]

    @property
    def horizon_s(self) -> float:
        return self.steps * self.period_s

    @property
    def has_open_loop(self) -> bool:
        """Whether a simulation of a whole piece stayed finite, with fitted values and for any signal."""
        return any(math.isfinite(change.fitted_open_loop) for change in self.changes)

    @property
    def horizon(self) -> str:
        """How far ahead, in words."""
        if not self.steps:
            return "too short to be predicted so far ahead"
        return f"{short(self.horizon_s)} s ahead, {self.steps} steps of {short(1e3 * self.period_s)} ms"


def cumulated_error(error: Array) -> Array:
    """Σ_{h=1..H} e_h of mean errors (H, signals), in the signals' units: the fit's score over the whole horizon."""
    return np.asarray(error.sum(axis=0))


def log_errors(identification: Identification) -> tuple[LogErrors, ...]:
    """Of every predicted log, in their order."""
    nominal = {(p.log, p.role): p for p in identification.nominal_predictions}
    signals = identification.fit.structure.signals
    return tuple(_errors_of(p, nominal.get((p.log, p.role)), signals) for p in identification.predictions)


def mean_errors(identification: Identification, role: str) -> LogErrors | None:
    """Means over the logs of one role, each log counting the same; None without logs."""
    logs = [errors for errors in log_errors(identification) if errors.role == role]
    if not logs:
        return None
    if len(logs) == 1:
        return logs[0]
    changes = tuple(_mean([errors.changes[i] for errors in logs]) for i in range(len(logs[0].changes)))
    return LogErrors(f"mean of {len(logs)} logs", role, logs[0].steps, logs[0].period_s, changes)


def _errors_of(fitted: LogPrediction, nominal: LogPrediction | None, signals: Sequence[Signal]) -> LogErrors:
    after, before = _numbers(fitted, len(signals)), _numbers(nominal, len(signals))
    columns = np.stack([before, after], axis=1).reshape(6, len(signals))
    changes = tuple(ErrorChange(signal, *columns[:, i].tolist()) for i, signal in enumerate(signals))
    return LogErrors(fitted.log, fitted.role, len(fitted.error), fitted.period_s, changes)


def _numbers(prediction: LogPrediction | None, signals: int) -> Array:
    """(3, signals): errors at the end of the horizon, cumulated over it, and open loop."""
    result = np.full((3, signals), np.nan)
    if prediction is not None and len(prediction.error):
        result[:2] = prediction.error[-1], cumulated_error(prediction.error)
    if prediction is not None and len(prediction.open_loop_rms):
        result[2] = prediction.open_loop_rms
    return result


def _mean(changes: Sequence[ErrorChange]) -> ErrorChange:
    rows = np.array([_row(c) for c in changes])
    return ErrorChange(changes[0].signal, *rows.mean(axis=0).tolist())


def _row(c: ErrorChange) -> tuple[float, ...]:
    ends = (c.nominal_end, c.fitted_end, c.nominal_cumulated, c.fitted_cumulated)
    return (*ends, c.nominal_open_loop, c.fitted_open_loop)
