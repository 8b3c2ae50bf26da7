"""Predictions of the fused model over the horizon from what was measured, as identification.prediction has them for physics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.learning.data_set import DataSet, Track

# z (K, nz) → r (K, nr) and gates (K,).
Correction: TypeAlias = Callable[[Array], tuple[Array, Array]]

_MOST_STEPS = 500_000  # of one log, as identification.prediction
OUTSIDE = 0.5  # gates below this count as out of distribution


@final
@dataclass(frozen=True, eq=False)
class HorizonError:
    """error (H, signals): mean length of the error after 1..H steps over all measured starts, as LogPrediction.error; outside:
    the share of samples, measured and predicted, at which the gate is below a half."""

    error: Array
    outside: float

    @property
    def cumulated(self) -> Array:
        """(signals,) over the horizon."""
        return np.asarray(self.error.sum(axis=0))


def no_correction(nr: int) -> Correction:
    """Physics alone."""
    return lambda z: (np.zeros((len(z), nr)), np.ones(len(z)))


def horizon_error(data: DataSet, track: Track, correct: Correction, *, most: int = _MOST_STEPS) -> HorizonError:
    """Of one log, over the structure's horizon; at most so many steps in all."""
    step, signals, steps = data.step, data.structure.signals, data.steps_of(track)
    starts = track.starts(steps)
    starts = starts[:: -(-len(starts) * steps // most) or 1]
    error, outside = np.full((steps, len(signals)), np.nan), 0.0
    if not len(starts):
        return HorizonError(error, outside)
    x, z = track.states[starts], data.features(track, starts)
    for h in range(steps):
        k = starts + h
        r, gates = correct(z)
        outside += float(np.mean(gates < OUTSIDE)) / steps
        x, z, off = step.split(step.advance(x, r, track.rows[k], data.parameters)[0])
        for column, signal in enumerate(signals):
            seen = track.seen[k, column] > 0
            with np.errstate(invalid="ignore", over="ignore"):
                length = np.linalg.norm(off[seen][:, signal.tangent], axis=1)
            if (finite := np.isfinite(length)).any():
                error[h, column] = length[finite].mean()
    return HorizonError(error, outside)


def windows(data: DataSet, track: Track, steps: int, stride: int) -> IntArray:
    """Starts of overlapping windows of `steps` steps that lie in pieces."""
    return track.starts(min(steps, max((b - a - 1 for a, b in track.log.pieces), default=0)), stride)
