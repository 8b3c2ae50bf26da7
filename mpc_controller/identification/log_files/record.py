"""From rows of a file to a log: a time base that runs forward, and pieces between gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.pieces import Mask, cut, runs
from mpc_controller.identification.model_structure import IdentificationError

# A step that is longer than this many median steps, and than 1.5 times what one step in 20 exceeds, is a gap.
_GAP_STEPS, _GAP_QUANTILE, _GAP_MARGIN = 3.5, 0.95, 1.5
# Time stamps that are rounded or doubled now and then do no harm; a clock that stands is no time base.
_MOST_REPEATED = 0.05


@final
@dataclass(frozen=True)
class Record:
    """Rows of one recording: times (K,) [s] from 0 on and rising, measured (K, ny), controls (K, nu), which rows are `usable`
    (K,), and between which a new piece `starts` (K,) for other reasons than a gap in time."""

    name: str
    path: Path
    digest: str
    times: Array
    measured: Array
    controls: Array
    usable: Mask
    starts: Mask
    gap_s: float | None = None
    notes: tuple[str, ...] = field(default=())


@final
@dataclass(frozen=True)
class Selection:
    """Which of a file's records: a set's name for {set} in columns, and numbers from 0; None: as the mapping says."""

    set_name: str | None = None
    which: tuple[int, ...] | None = None


def time_base(name: str, stamps: np.ndarray[Any, Any], factor: float) -> tuple[Array, IntArray, list[str]]:
    """Times [s] from 0 on, of the rows (K',) that have one of their own, and notes on the others.

    Raises IdentificationError where time runs backwards, stands, or is not there.
    """
    stamps = np.atleast_1d(stamps)
    finite = np.flatnonzero(np.isfinite(stamps))
    notes = [] if len(finite) == len(stamps) else [f"{len(stamps) - len(finite)} rows without a time left out"]
    if len(finite) < 2:
        raise IdentificationError(f"{name}: {len(finite)} rows with a time; a log needs at least 2")
    # Whole numbers stay whole until the start is taken off: nanoseconds since 1970 do not fit into a double.
    stamps = stamps.astype(np.int64) if stamps.dtype.kind in "biu" else stamps.astype(float)
    times = (stamps[finite] - stamps[finite[0]]).astype(float) * factor
    steps = np.diff(times)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        leap = f"from {times[at]:.6g} s to {times[at + 1]:.6g} s after the start"
        raise IdentificationError(f"{name}: time runs backwards at row {finite[at + 1]}: {leap}")
    repeated = np.append(False, steps == 0)
    if repeated.mean() > _MOST_REPEATED:
        at = int(np.argmax(repeated))
        share = f"{np.count_nonzero(repeated)} of {len(times)} time stamps repeat the one before, first at {times[at]:.6g} s"
        raise IdentificationError(f"{name}: {share}; times must rise from row to row")
    if repeated.any():
        at = times[int(np.argmax(repeated))]
        notes.append(f"{np.count_nonzero(repeated)} rows that repeat the time before left out, first at {at:.6g} s")
    return times[~repeated], finite[~repeated], notes


def log_of(record: Record) -> Log:
    """The record as a log: pieces end at gaps and around rows that are not usable or have no control."""
    times, notes = record.times, list(record.notes)
    steps = np.diff(times)
    gap = record.gap_s or max(_GAP_STEPS * float(np.median(steps)), _GAP_MARGIN * float(np.quantile(steps, _GAP_QUANTILE)))
    known: Mask = np.asarray(np.isfinite(record.controls).all(axis=1))
    lost = record.usable & ~known
    if lost.any():
        at = times[int(np.argmax(lost))]
        notes.append(f"{np.count_nonzero(lost)} samples without a control left out, first at {at:.3f} s")
    usable = record.usable & known
    broken = np.append(False, steps > gap)
    inside = broken & usable & np.append(False, usable[:-1])
    if inside.any():
        at = int(np.argmax(inside))
        first = f"the first of {steps[at - 1]:.3g} s at {times[at - 1]:.3f} s"
        notes.append(f"{np.count_nonzero(inside)} gaps of more than {gap:.3g} s, {first}")
    pieces = cut(runs(usable), broken | record.starts)
    controls = np.where(known[:, None], record.controls, 0.0)
    return Log(record.name, times, record.measured, controls, pieces, record.path, record.digest, tuple(notes))
