"""Our own recordings as records: what the plant measured, and the commands that acted between."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Mode, Observation
from mpc_controller.bus.recording import read_recording
from mpc_controller.identification.log_files.condition import Keep, kept
from mpc_controller.identification.log_files.record import Record, Selection, time_base
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure

# What conditions may name besides states and controls.
_FIELDS = ("mode", "plan_epoch", "plan_sequence")


def recording_records(path: Path, digest: str, structure: ModelStructure, selection: Selection, keep: Keep) -> list[Record]:
    """A record for every start of the plant in the recording. Raises RecordingError, IdentificationError.

    An observation carries the command since the one before it, so row k has the control of observation k + 1. Left out are
    stops (the robot's own brake may act then); pieces end where an observation was lost, as its command is.
    """
    recording = read_recording(path)
    observations = [m for _, m in recording.messages(Observation) if isinstance(m, Observation)]
    if not observations:
        raise IdentificationError(f"{path}: no observation; there is nothing to fit")
    _check_kind(path, observations, structure)
    runs = _by_start(observations)
    notes = ("the recording was cut short",) if recording.truncated else ()
    for number in selection.which or ():
        if number >= len(runs):
            raise IdentificationError(f"{path}: no record {number}; there are {len(runs)}, from 0 on")
    chosen = range(len(runs)) if selection.which is None else selection.which
    names = [path.name if len(runs) == 1 else f"{path.name}#:{number}" for number in range(len(runs))]
    records = [_record(names[i], path, digest, structure, runs[i], keep, notes) for i in chosen if len(runs[i]) > 1]
    if not records:
        raise IdentificationError(f"{path}: one observation only; a log needs at least 2")
    return records


def _check_kind(path: Path, observations: list[Observation], structure: ModelStructure) -> None:
    robots = sorted({o.robot for o in observations})
    if robots != [structure.name]:
        raise IdentificationError(f"{path}: a recording of {', '.join(robots)}; it must be of {structure.name}")
    ny, nu = len(structure.measured), structure.dynamics.nu
    for o in observations:
        if o.measured.shape != (ny,) or o.control.shape != (nu,):
            raise IdentificationError(
                f"{path}: observation {o.sequence} has {o.measured.size} measured states and {o.control.size} controls; "
                f"{structure.name} has {ny} and {nu}"
            )


def _by_start(observations: list[Observation]) -> list[list[Observation]]:
    """Runs of rising sequence numbers; a plant that starts anew begins at 1. What came twice is there once."""
    result = [[observations[0]]]
    for o in observations[1:]:
        last = result[-1][-1]
        if o.sequence < last.sequence:
            result.append([o])
        elif o.sequence > last.sequence:
            result[-1].append(o)
    return result


def _record(
    name: str,
    path: Path,
    digest: str,
    structure: ModelStructure,
    run: list[Observation],
    keep: Keep,
    notes: tuple[str, ...],
) -> Record:
    stamps = np.array([o.time_ns for o in run], dtype=np.int64)
    times, rows, found = time_base(name, stamps, 1e-9)
    chosen = [run[int(row)] for row in rows]
    measured = np.array([o.measured for o in chosen])
    since_before = np.array([o.control for o in chosen]).reshape(len(chosen), structure.dynamics.nu)
    controls = np.vstack([since_before[1:], since_before[-1:]])
    sequences = np.array([o.sequence for o in chosen])
    stopped = np.array([o.mode == Mode.E_STOP for o in chosen])

    def lookup(wanted: str) -> Array:
        if wanted in structure.measured:
            return measured[:, structure.measured.index(wanted)]
        if wanted in structure.dynamics.control_names:
            return controls[:, structure.dynamics.control_names.index(wanted)]
        if wanted in _FIELDS:
            return np.array([float(getattr(o, wanted)) for o in chosen])
        known = ", ".join((*structure.measured, *structure.dynamics.control_names, *_FIELDS))
        raise IdentificationError(f"{path}: a condition names '{wanted}'; it must be one of {known}")

    usable, left_out = kept(keep, times, lookup)
    lost = np.append(False, np.diff(sequences) > 1)
    every = [*notes, *found, *left_out]
    if stopped.any():
        every.append(f"{np.count_nonzero(stopped)} samples in E_STOP left out, first at {times[int(np.argmax(stopped))]:.3f} s")
    if lost.any():
        count, at = int((np.diff(sequences) - 1).sum()), times[int(np.argmax(lost)) - 1]
        every.append(f"{count} observations lost at {np.count_nonzero(lost)} places, first after {at:.3f} s")
    return Record(name, path, digest, times, measured, controls, usable & ~stopped, lost, None, tuple(every))
