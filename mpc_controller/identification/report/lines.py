"""Signals as lines that a picture can hold: broken where nothing is known, thinned to what the eye can see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpc_controller.analysis.broken_line import broken_line
from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import ModelStructure, Signal


def components(structure: ModelStructure, signal: Signal, rows: Array) -> tuple[tuple[str, ...], Array]:
    """Names and values (K, c) of a signal in rows (K, ny) of measured states; an attitude as roll, pitch and yaw [rad]."""
    values = rows[:, list(signal.columns)]
    if is_attitude(signal):
        return ("roll", "pitch", "yaw"), _roll_pitch_yaw(values)
    return _component_names(structure, signal), values


def residual_components(structure: ModelStructure, signal: Signal) -> tuple[str, ...]:
    """Names of a signal's residuals; of an attitude, the axes of the rotation vector in the body."""
    return ("about x", "about y", "about z") if is_attitude(signal) else _component_names(structure, signal)


def is_attitude(signal: Signal) -> bool:
    return len(signal.columns) != len(signal.tangent)


def shown_line(
    times: Array, values: Array, points: int, starts: Sequence[int] = (), half_turn: float | None = None
) -> tuple[Array, Array]:
    """times and values (K,) with about so many points; samples without a value are left out, so slow sensors are lines too.

    It breaks at gaps, at the samples `starts` and, where half_turn is given, at jumps of more than it.
    """
    there = np.isfinite(values)
    t, v = broken_line(times[there], values[there], half_turn)
    finite = np.flatnonzero(np.isfinite(t))
    place = np.searchsorted(t[finite], times[list(starts)])
    at = finite[place[place < len(finite)]]
    return thinned(np.insert(t, at, np.nan), np.insert(v, at, np.nan), points)


def thinned(times: Array, values: Array, points: int) -> tuple[Array, Array]:
    """The lowest and the highest value of every bucket in their order, and a break if it holds one; short lines as they are.

    What is left spans the same range as all of it: no peak is lost, however long the log.
    """
    n = len(times)
    size = -(-n // max(1, points // 2))
    if n <= points or size < 3:
        return times, values
    buckets = -(-n // size)
    padded = np.full(buckets * size, np.nan)
    padded[:n] = values
    rows = padded.reshape(buckets, size)
    gaps = np.isnan(rows)
    lowest = np.argmin(np.where(gaps, np.inf, rows), axis=1)
    highest = np.argmax(np.where(gaps, -np.inf, rows), axis=1)
    # A bucket without a gap repeats one of its extremes instead.
    gap = np.where(gaps.any(axis=1), np.argmax(gaps, axis=1), lowest)
    chosen = np.unique((np.arange(buckets) * size)[:, None] + np.stack([lowest, highest, gap], axis=1))
    chosen = chosen[chosen < n]
    return times[chosen], values[chosen]


def _component_names(structure: ModelStructure, signal: Signal) -> tuple[str, ...]:
    """x, y, z of a vector; the name of a scalar."""
    names = [structure.measured[column] for column in signal.columns]
    return tuple(name.removeprefix(f"{signal.name}_") for name in names)


def _roll_pitch_yaw(q: Array) -> Array:
    """Angles (K, 3) [rad] of quaternions (K, 4): q = q_z(yaw) ⊗ q_y(pitch) ⊗ q_x(roll)."""
    w, x, y, z = q.T
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1.0, 1.0))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return np.stack([roll, pitch, yaw], axis=1)
