"""States and controls over time on the plant's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.model.manifold import Manifold


@final
@dataclass(frozen=True)
class Trajectory:
    """times (N+1,) [ns, plant's clock], states (N+1, nx), controls (N, nu); u_k is held over [t_k, t_{k+1})."""

    manifold: Manifold
    times: IntArray
    states: Array
    controls: Array

    @staticmethod
    def constant(manifold: Manifold, times: IntArray, state: Array, control: Array) -> Trajectory:
        """The same state and control all along: the guess when nothing better is known."""
        return Trajectory(manifold, times, np.tile(state, (len(times), 1)), np.tile(control, (len(times) - 1, 1)))

    def interval(self, time_ns: int) -> int:
        """Index k of the interval that holds a time; the first before the start, the last after the end."""
        k = int(np.searchsorted(self.times, time_ns, side="right")) - 1
        return min(max(k, 0), len(self.controls) - 1)

    def at(self, time_ns: int) -> tuple[Array, Array]:
        """State (nx,), interpolated on the manifold, and control (nu,) at a time; held constant outside."""
        k = self.interval(time_ns)
        span = self.times[k + 1] - self.times[k]
        fraction = min(max((time_ns - self.times[k]) / span, 0.0), 1.0)
        state = self.manifold.interpolate(self.states[k], self.states[k + 1], float(fraction))
        return state, self.controls[k]

    def shifted(self, start_ns: int) -> Trajectory:
        """The same motion on the same grid started at another time: a warm start by time, not by index.

        States between grid points lie on the chord, scaled back to the manifold; beyond the end the last ones are held.
        """
        times = self.times + (start_ns - self.times[0])
        k = np.minimum(np.searchsorted(self.times, times, side="right") - 1, len(self.controls) - 1)
        np.maximum(k, 0, out=k)
        first = self.times[k]
        fraction = np.minimum((times - first) / (self.times[k + 1] - first), 1.0)
        np.maximum(fraction, 0.0, out=fraction)
        before, after = self.states[k], self.states[k + 1]
        for start in self.manifold.quaternions:
            block = slice(start, start + 4)
            opposite = np.einsum("ki,ki->k", before[:, block], after[:, block]) < 0.0
            after[opposite, block] *= -1.0  # q and −q are the same attitude
        after -= before
        after *= fraction[:, None]
        after += before
        for start in self.manifold.quaternions:
            block = slice(start, start + 4)
            after[:, block] /= np.sqrt(np.einsum("ki,ki->k", after[:, block], after[:, block]))[:, None]
        return Trajectory(self.manifold, times, after, self.controls[k[:-1]])
