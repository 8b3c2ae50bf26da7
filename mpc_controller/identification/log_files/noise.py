"""How noisy a signal is, by itself: what a model calls its measurement_std may be what the model leaves over."""

from __future__ import annotations

import numpy as np

from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.pieces import used_rows
from mpc_controller.identification.log_files.values import quaternion_columns
from mpc_controller.identification.model_structure import ModelStructure, Signal

# Of |N(0, 1)|: what 90 % of the values stay below. Few leaps do not move it.
_QUANTILE, _NORMAL = 0.9, 1.645


def noise_of(log: Log, structure: ModelStructure, signal: Signal) -> float:
    """Standard deviation of a signal's white noise, at most the structure's measurement_std; of attitudes in rad.

    From second differences, which are √6 σ for white noise and small for motion; an encoder has at least its resolution.
    """
    std = float(structure.measurement_std[list(signal.tangent)].max())
    values = log.measured[used_rows(log)][:, signal.columns]
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 3:
        return std
    bends = np.quantile(np.abs(np.diff(values, n=2, axis=0)), _QUANTILE, axis=0) / (_NORMAL * np.sqrt(6))
    steps = np.abs(np.diff(values, axis=0))
    resolution = [column[column > 0].min(initial=np.inf) for column in steps.T]
    # A rotation by a small angle changes a quaternion by half of it.
    scale = 2.0 if any(signal.columns == tuple(columns) for _, columns in quaternion_columns(structure)) else 1.0
    return min(std, scale * float(np.maximum(bends, resolution).max()))
