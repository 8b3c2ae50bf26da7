"""Lines over time that break where nothing was recorded, and where an angle wraps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array, IntArray

_GAP = 5.0  # median spacings; a plan or two that was late or lost is no gap


def is_gap(times: Array | IntArray) -> npt.NDArray[np.bool_]:
    """(k - 1,) of times (k,): where more than five median spacings lie between two."""
    spacing = np.diff(times)
    return np.asarray(spacing > _GAP * np.median(spacing)) if len(spacing) else np.zeros(0, dtype=bool)


def broken_line(times: Array, values: Array, half_turn: float | None = None) -> tuple[Array, Array]:
    """times (k,) and values (k, ...) with a NaN wherever the line should break.

    It breaks across more than five median spacings of time and, where half_turn is given, where a value jumps by more than it.
    """
    if len(times) < 3:
        return times, values
    is_break = is_gap(times)
    if half_turn is not None:
        is_break |= np.abs(np.diff(values)) > half_turn
    breaks = np.flatnonzero(is_break) + 1
    return np.insert(times, breaks, np.nan), np.insert(values, breaks, np.nan, axis=0)
