"""What a residual gives along a log beside what would have explained it there, and how far it is trusted: for people to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.learning.data_set import DataSet, Track
from mpc_controller.learning.labels import longest_clear
from mpc_controller.learning.rollout import OUTSIDE
from mpc_controller.model.residual.residual import Residual
from mpc_controller.native.native_residual import NativeResidual

_GLITCHES = 0.01  # share of the labels


@final
@dataclass(frozen=True, eq=False)
class Trace:
    """One log that was held out.

    wanted (n, nr): labels, each of a block of samples about times (n,) [s]; std (nr,): of their noise; given (n, nr): what the
    residual gives at the same features, guard included. gate_times (m,) [s], gate (m,): of all samples. beyond (nz,): the share
    of samples at which each feature is beyond its range.
    """

    log: str
    times: Array
    wanted: Array
    std: Array
    given: Array
    gate_times: Array
    gate: Array
    beyond: Array

    @property
    def outside(self) -> float:
        """The share of samples at which less than half of the correction is left."""
        return float(np.mean(self.gate < OUTSIDE))

    @property
    def explained(self) -> Array:
        """(nr,) as `explained_share`."""
        return explained_share(self.wanted, self.given)


def explained_share(wanted: Array, given: Array) -> Array:
    """(nr,): 1 − Σ(wanted − given)²/Σ wanted² of (n, nr) each; 1 for all of it, below 0 where nothing would have been better.

    Without the hundredth part of each output's labels that is farthest from their median: glitches of sensors, which nothing
    should explain.
    """
    apart = np.abs(wanted - np.median(wanted, axis=0))
    kept = apart <= np.quantile(apart, 1 - _GLITCHES, axis=0)
    left = (kept * (wanted - given) ** 2).sum(axis=0)
    return np.asarray(1 - left / np.maximum((kept * wanted**2).sum(axis=0), 1e-300))


def trace_of(data: DataSet, native: NativeResidual, residual: Residual, track: Track) -> Trace:
    """Of one log, with at least two samples in a piece."""
    samples = track.starts(1)
    z = data.features(track, samples)
    _, gate = native.values(residual, z)
    normalized = (z - residual.center) / residual.scale
    is_beyond = (normalized < residual.guard.lower) | (normalized > residual.guard.upper)
    labels = longest_clear(data, [track])
    given, _ = native.values(residual, labels.z)
    return Trace(
        log=track.log.name,
        times=labels.times,
        wanted=labels.r,
        std=labels.std,
        given=given,
        gate_times=track.log.times[samples],
        gate=gate,
        beyond=is_beyond.mean(axis=0),
    )
