"""Values that are not there, or cannot be: NaN, a unit that makes no sense, quaternions that are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.mapping import stem_of
from mpc_controller.identification.log_files.pieces import Mask, around, used_rows
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure

# No machine of ours goes beyond these: what does is in another unit, or broken. Motors of small rotors reach 4000 rad/s.
_LARGEST = {
    "m": 1e4,
    "m/s": 1e3,
    "m/s²": 1e4,
    "rad": 1e3,
    "rad/s": 1e4,
    "N": 1e6,
    "N m": 1e6,
    "V": 1e3,
    "A": 1e4,
    "kg": 1e6,
}
_SLIPS = {
    "m": "mm",
    "m/s": "mm/s",
    "rad": "degrees",
    "rad/s": "deg/s",
    "N": "mN",
    "N m": "N mm",
    "V": "mV",
    "A": "mA",
    "kg": "g",
}
# Beyond this share of a signal, what is bad is the signal, and not a sample here and there.
_MOST_BAD = 0.05
_NORM_TOLERANCE = 0.05


def quaternion_columns(structure: ModelStructure) -> list[tuple[str, list[int]]]:
    """Name and columns in Log.measured of every quaternion."""
    names = structure.dynamics.state_names
    starts = [s for s in structure.dynamics.manifold.quaternions if names[s] in structure.measured]
    return [(stem_of(names[s]), [structure.measured.index(names[s + k]) for k in range(4)]) for s in starts]


def left_out(log: Log, measured: Array, columns: Sequence[int], bad: Mask, note: str) -> Log:
    """A copy whose `columns` are NaN where `bad` (K,); the note gets the number and the first time."""
    at = log.times[int(np.argmax(bad))]
    measured[np.ix_(bad, np.array(columns, dtype=np.intp))] = np.nan
    return replace(log, measured=measured, notes=(*log.notes, f"{np.count_nonzero(bad)} {note}, first at {at:.3f} s"))


def with_nan(log: Log, structure: ModelStructure, absent: tuple[str, ...]) -> Log:
    """Infinite becomes NaN, a quaternion with a part of NaN is NaN, and NaN is counted. Raises for a signal without values."""
    used = used_rows(log)
    measured = np.where(np.isfinite(log.measured), log.measured, np.nan)
    groups = quaternion_columns(structure)
    grouped = {column for _, columns in groups for column in columns}
    groups += [(name, [column]) for column, name in enumerate(structure.measured) if column not in grouped]
    log = replace(log, measured=measured)
    for name, columns in groups:
        bad = np.isnan(measured[:, columns]).any(axis=1) & used
        if name in absent:
            measured[:, columns] = np.nan
        elif bad[used].all():
            raise IdentificationError(f"{log.name}: '{name}' has no value at all; name it in 'absent' if it was not measured")
        elif bad.any():
            log = left_out(log, measured, columns, bad, f"samples of '{name}' are NaN and left out")
    return log


def plausible(log: Log, structure: ModelStructure) -> Log:
    """No value beyond what its unit allows. Raises where many are."""
    d, used = structure.dynamics, used_rows(log)
    units = dict(zip(d.state_names, d.state_units, strict=True))
    measured = log.measured.copy()
    for column, name in enumerate(structure.measured):
        bad = _beyond(log, name, units[name], measured[:, column], used)
        if bad.any():
            log = left_out(log, measured, [column], bad, f"values of '{name}' beyond what its unit allows left out")
    broken = np.zeros(len(log.times), dtype=bool)
    for column, (name, unit) in enumerate(zip(d.control_names, d.control_units, strict=True)):
        broken |= _beyond(log, name, unit, log.controls[:, column], used)
    return without_rows(log, broken, "samples with controls that cannot be")


def _beyond(log: Log, name: str, unit: str, values: Array, used: Mask) -> Mask:
    """Where a signal is beyond what its unit allows."""
    largest = _LARGEST.get(unit, np.inf)
    bad: Mask = used & (np.abs(values) > largest)
    if bad[used].mean() > _MOST_BAD:
        at = int(np.argmax(bad))
        limits = f"within ±{largest:g} {unit}" + (f"; was it recorded in {_SLIPS[unit]}?" if unit in _SLIPS else "")
        raise IdentificationError(
            f"{log.name}: '{name}' is {values[at]:.4g} {unit} at {log.times[at]:.3f} s; it must be {limits}"
        )
    return bad


def without_rows(log: Log, bad: Mask, what: str) -> Log:
    """Pieces around the rows (K,) that are bad."""
    if not bad.any():
        return log
    note = f"{np.count_nonzero(bad)} {what} left out, first at {log.times[int(np.argmax(bad))]:.3f} s"
    return replace(log, pieces=around(log.pieces, bad), notes=(*log.notes, note))


def normalized(log: Log, structure: ModelStructure) -> Log:
    """Quaternions of unit length, each on the side of the one before: q and −q are the same attitude."""
    used = used_rows(log)
    for name, columns in quaternion_columns(structure):
        measured = log.measured.copy()
        q = measured[:, columns]
        norms = np.linalg.norm(q, axis=1)
        bad = used & (np.abs(norms - 1) > _NORM_TOLERANCE)
        if bad[used].mean() > _MOST_BAD:
            at = int(np.argmax(bad))
            raise IdentificationError(
                f"{log.name}: '{name}' has length {norms[at]:.3g} at {log.times[at]:.3f} s; a quaternion of an attitude has 1"
            )
        sound = np.abs(norms - 1) <= _NORM_TOLERANCE
        q[sound] /= norms[sound, None]
        rows = np.flatnonzero(sound)
        flips = np.append(1.0, np.where((q[rows[1:]] * q[rows[:-1]]).sum(axis=1) < 0, -1.0, 1.0))
        q[rows] *= np.cumprod(flips)[:, None] * (1.0 if len(rows) == 0 or q[rows[0], 0] >= 0 else -1.0)
        q[~sound] = np.nan
        measured[:, columns] = q
        log = replace(log, measured=measured)
        if bad.any():
            log = left_out(log, measured, columns, bad, f"samples of '{name}' are no unit quaternion and left out")
    return log
