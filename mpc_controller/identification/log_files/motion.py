"""Whether a log shows anything: signals that never change, sensors at the end of their range, motion within the noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.noise import noise_of
from mpc_controller.identification.log_files.pieces import used_rows
from mpc_controller.identification.log_files.values import left_out, quaternion_columns
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure

# Share of the samples at exactly the largest or smallest value. A sensor in range has one extreme; encoders rest at theirs.
_SATURATED, _MOSTLY_SATURATED = 0.2, 0.6
# Standard deviation of a signal by that of its noise; 1 where there is noise alone.
_NOISE_SPREAD = 1.5


def without_saturation(log: Log, structure: ModelStructure) -> Log:
    """Measured values that sit at their extreme for long are left out; of controls it is noted, as they act all the same.

    Raises for a measured signal that does so most of the time.
    """
    used = used_rows(log)
    grouped = {column for _, columns in quaternion_columns(structure) for column in columns}
    for column, name in enumerate(structure.measured):
        values = log.measured[:, column]
        seen = used & np.isfinite(values)
        if column in grouped or not seen.any() or np.ptp(values[seen]) == 0:
            continue
        for extreme in (values[seen].min(), values[seen].max()):
            stuck = seen & (values == extreme)
            share = np.count_nonzero(stuck) / np.count_nonzero(seen)
            if share > _MOSTLY_SATURATED:
                at = log.times[int(np.argmax(stuck))]
                samples = f"{100 * share:.0f} % of its samples are {extreme:.6g}, first at {at:.3f} s"
                raise IdentificationError(f"{log.name}: '{name}' is saturated: {samples}")
            if share > _SATURATED:
                note = f"samples of '{name}' at its extreme {extreme:.6g} (saturated?) left out"
                log = left_out(log, log.measured.copy(), [column], stuck, note)
                values = log.measured[:, column]
    return replace(log, notes=(*log.notes, *_control_notes(log, structure)))


def _control_notes(log: Log, structure: ModelStructure) -> list[str]:
    notes = []
    controls = log.controls[used_rows(log)]
    for name, values in zip(structure.dynamics.control_names, controls.T, strict=True):
        low, high = values.min(), values.max()
        if low == high:
            notes.append(f"'{name}' is {low:.6g} throughout; what it does cannot be told from an offset")
            continue
        for extreme in (low, high):
            share = float(np.mean(values == extreme))
            if share > _MOSTLY_SATURATED:
                notes.append(
                    f"'{name}' is at its extreme {extreme:.6g} in {100 * share:.0f} % of the samples; it excites little"
                )
    return notes


def check_motion(log: Log, structure: ModelStructure) -> None:
    """Raises where nothing moves: every signal constant, or within its noise."""
    spreads: list[tuple[float, str]] = []
    constant: list[bool] = []
    measured = log.measured[used_rows(log)]
    quaternions = [tuple(columns) for _, columns in quaternion_columns(structure)]
    for signal in structure.signals:
        values = measured[:, signal.columns]
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) == 0:
            continue
        constant.append(bool((np.ptp(values, axis=0) == 0).all()))
        noise = noise_of(log, structure, signal)
        if noise > 0:
            scale = 2.0 if signal.columns in quaternions else 1.0  # a rotation by a small angle a changes q by a/2
            spreads.append((scale * float(values.std(axis=0).max()) / noise, signal.name))
    if not constant:
        raise IdentificationError(f"{log.name}: nothing is measured in its pieces")
    if all(constant):
        raise IdentificationError(f"{log.name}: no excitation: all measured signals are constant")
    largest, name = max(spreads, default=(np.inf, ""))
    if largest < _NOISE_SPREAD:
        most = f"'{name}' does most, by {largest:.2g} times its noise"
        raise IdentificationError(f"{log.name}: no excitation: nothing moves by more than its noise; {most}")
