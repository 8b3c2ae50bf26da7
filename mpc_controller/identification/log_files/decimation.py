"""Fewer samples a second: every n-th one, after a low-pass filter without phase."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.identification.filtering import low_pass
from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.values import quaternion_columns
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure

# −6 dB at 0.7 of the new half rate, where the amplitude is 1.4 %. Without ripple: it would be in every fitted gain.
_ORDER, _BAND = 6, 0.7
_EVEN = 0.25  # steps may differ from the median by so much of it


def decimated(log: Log, structure: ModelStructure, factor: int, anti_alias: bool = True) -> Log:
    """Every `factor`-th sample of every piece, filtered before that; controls are averaged over the samples that they replace.

    The mean of held controls gives the same impulse as the controls. Where a value was not measured, none is made up. Raises
    IdentificationError where steps are too irregular for a filter.
    """
    times, measured, controls, pieces = [], [], [], []
    count = 0
    for first, end in log.pieces:
        rows = np.arange(first, end - (end - first - 1) % factor, factor)
        if len(rows) < 2:
            continue
        values = log.measured[first:end]
        if anti_alias:
            _check_even(log, first, end)
            values = _filtered(values, factor)
        times.append(log.times[rows])
        measured.append(values[rows - first])
        controls.append(_averaged(log, rows, factor))
        pieces.append((count, count + len(rows)))
        count += len(rows)
    if not pieces:
        raise IdentificationError(f"{log.name}: no piece has {factor + 1} samples or more; decimate less")
    table = np.vstack(measured)
    for _, columns in quaternion_columns(structure):
        table[:, columns] /= np.linalg.norm(table[:, columns], axis=1, keepdims=True)
    note = f"every {factor}-th sample" + (" of low-passed signals" if anti_alias else "")
    return replace(
        log,
        times=np.concatenate(times),
        measured=table,
        controls=np.vstack(controls),
        pieces=tuple(pieces),
        notes=(*log.notes, note),
    )


def _averaged(log: Log, rows: npt.NDArray[np.intp], factor: int) -> Array:
    """Means of the controls from each row to the next, weighted by how long each was held."""
    steps = log.steps[:, None]
    last = int(rows[-1])
    area = np.add.reduceat((log.controls * steps)[rows[0] : last + 1], rows - rows[0], axis=0)
    held = np.add.reduceat(steps[rows[0] : last + 1], rows - rows[0], axis=0)
    return np.asarray(area / held)


def _filtered(values: Array, factor: int) -> Array:
    """Columns without what is above the new half of the sampling rate."""
    result = values.copy()
    for column, signal in enumerate(values.T):
        known = np.flatnonzero(np.isfinite(signal))
        if len(known) < 2:
            continue
        whole = np.interp(np.arange(len(signal)), known, signal[known])
        result[known, column] = low_pass(whole, 1.0, _BAND * 0.5 / factor, _ORDER)[known]
    return result


def _check_even(log: Log, first: int, end: int) -> None:
    steps = np.diff(log.times[first:end])
    uneven = np.abs(steps - np.median(steps)) > _EVEN * np.median(steps)
    if uneven.mean() > 0.01:
        at = log.times[first + int(np.argmax(uneven))]
        instead = "set anti_alias = false, or decimate = 1"
        raise IdentificationError(f"{log.name}: steps are too irregular for a low-pass filter, first at {at:.3f} s; {instead}")
