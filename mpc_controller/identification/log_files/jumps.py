"""Values that leap: angles that wrap become continuous, single outliers are left out, what leaps for good starts a piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.noise import noise_of
from mpc_controller.identification.log_files.pieces import Mask, cut, used_rows
from mpc_controller.identification.log_files.values import left_out, quaternion_columns
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure, Signal

_TURN = 2 * np.pi
# A leap is a step of more than so many times what 98 % of the steps stay below, and so many standard deviations of the noise.
_STEPS, _QUANTILE, _NOISE = 10.0, 0.98, 25.0
_MOST_LEAPS = 0.015


def without_jumps(log: Log, structure: ModelStructure) -> Log:
    """A log without leaps. Raises where a signal has too many for a signal."""
    log = _unwrapped(log, structure)
    breaks = np.zeros(len(log.times), dtype=bool)
    for signal in structure.signals:
        log, found = _without_leaps(log, structure, signal)
        breaks |= found
    return replace(log, pieces=cut(log.pieces, breaks)) if breaks.any() else log


def _unwrapped(log: Log, structure: ModelStructure) -> Log:
    """Angles that leap by a whole turn from sample to sample, without the leaps."""
    units = dict(zip(structure.dynamics.state_names, structure.dynamics.state_units, strict=True))
    for column, name in enumerate(structure.measured):
        if units[name] != "rad":
            continue
        rows = np.flatnonzero(np.isfinite(log.measured[:, column]))
        values = log.measured[rows, column]
        turns = np.round(np.diff(values) / _TURN)
        wraps = (turns != 0) & (np.abs(np.diff(values) - _TURN * turns) < 0.25 * _TURN)
        if wraps.any():
            measured = log.measured.copy()
            measured[rows[1:], column] -= _TURN * np.cumsum(np.where(wraps, turns, 0.0))
            at = log.times[rows[int(np.argmax(wraps)) + 1]]
            note = f"'{name}' wraps {np.count_nonzero(wraps)} times by a whole turn, first at {at:.3f} s; made continuous"
            log = replace(log, measured=measured, notes=(*log.notes, note))
    return log


def _without_leaps(log: Log, structure: ModelStructure, signal: Signal) -> tuple[Log, Mask]:
    """The log without single outliers of a signal, and where (K,) a piece must start because it leapt for good."""
    breaks = np.zeros(len(log.times), dtype=bool)
    rows = np.flatnonzero(np.isfinite(log.measured[:, signal.columns]).all(axis=1) & used_rows(log))
    if len(rows) < 10:
        return log, breaks
    steps = _lengths(log, structure, signal, rows[:-1], rows[1:])
    durations = np.diff(log.times[rows])
    speed = float(np.quantile(steps / durations, _QUANTILE))
    limit = np.maximum(_STEPS * speed * durations, _NOISE * noise_of(log, structure, signal))
    leaps = steps > limit
    # Between pieces anything may have happened.
    piece = np.searchsorted([first for first, _ in log.pieces], rows, side="right")
    leaps &= piece[1:] == piece[:-1]
    if not leaps.any():
        return log, breaks
    at = log.times[rows[int(np.argmax(leaps)) + 1]]
    if leaps.mean() > _MOST_LEAPS:
        raise IdentificationError(
            f"{log.name}: '{signal.name}' leaps {np.count_nonzero(leaps)} times, first at {at:.3f} s by "
            f"{steps[int(np.argmax(leaps))]:.3g} {signal.unit}; that is no motion"
        )
    outliers = _outliers(log, structure, signal, rows, leaps, limit)
    bad = np.zeros(len(log.times), dtype=bool)
    bad[rows[outliers]] = True
    if outliers.any():
        measured = log.measured.copy()
        log = left_out(log, measured, signal.columns, bad, f"outliers of '{signal.name}' left out")
    for k in np.flatnonzero(leaps):
        if not outliers[k] and not outliers[k + 1]:
            breaks[rows[k + 1]] = True
    if breaks.any():
        first = log.times[int(np.argmax(breaks))]
        note = (
            f"'{signal.name}' leaps for good {np.count_nonzero(breaks)} times, first at {first:.3f} s; new pieces start there"
        )
        log = replace(log, notes=(*log.notes, note))
    return log, breaks


def _outliers(
    log: Log, structure: ModelStructure, signal: Signal, rows: npt.NDArray[np.intp], leaps: Mask, limit: Array
) -> Mask:
    """Which of the rows leapt away and, one sample later, back."""
    result = np.zeros(len(rows), dtype=bool)
    for k in np.flatnonzero(leaps[:-1] & leaps[1:]) + 1:
        back = _lengths(log, structure, signal, rows[k - 1 : k], rows[k + 1 : k + 2])[0]
        result[k] = back <= limit[k - 1] + limit[k] and not result[k - 1]
    return result


def _lengths(
    log: Log, structure: ModelStructure, signal: Signal, before: npt.NDArray[np.intp], after: npt.NDArray[np.intp]
) -> Array:
    """Length of the change of a signal between rows; of attitudes, the angle [rad]."""
    a, b = log.measured[before][:, signal.columns], log.measured[after][:, signal.columns]
    if any(tuple(columns) == signal.columns for _, columns in quaternion_columns(structure)):
        return np.asarray(2 * np.arccos(np.clip(np.abs((a * b).sum(axis=1)), 0.0, 1.0)))
    return np.asarray(np.linalg.norm(b - a, axis=1))
