"""How well a model predicts a log: over windows, over the horizon from what was measured, and over the whole log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import LogPrediction
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.identification.windows import Window, WindowSet, followed_states

_MOST_STEPS = 500_000  # of one log's rollouts over the horizon: neighbouring starts say nearly the same
_CHUNK = 64  # batches of rollouts held at a time


@final
class Predictions:
    """Predictions of logs with θ (nθ,): every number of the result is of states that this θ's model gives."""

    def __init__(self, fit: OutputError, theta: Array) -> None:
        self._fit, self._theta = fit, theta
        self._structure = fit.structure
        self._delay = fit.delay_of(theta) if fit.unknowns.delay else None

    def of(self, log: Log, role: str, std: Array, threads: int | None = None) -> LogPrediction:
        """std (nres,): noise of the residuals, with which the initial states of windows are fitted."""
        predicted, starts = self._windowed(log, std, threads)
        states = self._states(log)
        open_loop = self._open_loop(log, states)
        residuals = measured_difference(self._structure, log.measured, predicted)
        off = measured_difference(self._structure, log.measured, open_loop)
        return LogPrediction(
            log=log.name,
            role=role,
            times=log.times,
            measured=log.measured,
            predicted=predicted,
            residuals=residuals,
            period_s=log.period_s,
            error=self._horizon_error(log, states),
            window_starts=starts,
            open_loop=open_loop,
            open_loop_rms=np.array([_rms(np.linalg.norm(off[:, s.tangent], axis=1)) for s in self._structure.signals]),
        )

    def residuals(self, log: Log, std: Array, threads: int | None = None) -> Array:
        """LogPrediction.residuals alone."""
        return measured_difference(self._structure, log.measured, self._windowed(log, std, threads)[0])

    def _windowed(self, log: Log, std: Array, threads: int | None) -> tuple[Array, tuple[int, ...]]:
        """Measured states (K, ny) along windows of the horizon from fitted initial states, NaN outside; where they start."""
        predicted = np.full_like(log.measured, np.nan)
        options = OutputErrorOptions(reweighted=False, threads=threads, interval_s=self._structure.horizon_s)
        windows = self._fit.fit_states(log, self._theta, std, options)
        for number, batch in enumerate(windows.batches):
            states = self._fit.library.rollout(batch, self._theta, self._fit.held(), follows=False)
            lanes = self._fit.library.lanes
            for lane, w in enumerate(windows.windows[number * lanes : (number + 1) * lanes]):
                predicted[w.first : w.end] = states[: w.end - w.first, self._structure.measured_indices, lane]
        return predicted, tuple(w.first for w in windows.windows)

    def horizon_error(self, log: Log) -> Array:
        """LogPrediction.error alone."""
        return self._horizon_error(log, self._states(log))

    def _states(self, log: Log) -> Array:
        return followed_states(self._fit.library, self._structure, [log], self._theta, self._fit.held(), self._delay)[0]

    def _horizon_error(self, log: Log, states: Array) -> Array:
        """(steps, signals): mean length of the error after 1..steps steps, over all measured starts."""
        s = self._structure
        steps = max(1, round(s.horizon_s / log.period_s))
        starts = np.array([k for a, b in log.pieces for k in range(a, b - steps)], dtype=int)
        total, counts = np.zeros((steps, len(s.signals))), np.zeros((steps, len(s.signals)))
        starts = starts[:: -(-len(starts) * steps // _MOST_STEPS) or 1]
        chunk = _CHUNK * self._fit.library.lanes
        for i in range(0, len(starts), chunk):
            some = starts[i : i + chunk]
            paths = self._rollouts(log, states, [Window(0, int(k), int(k) + steps + 1) for k in some])[:, 1:]
            measured = np.stack([log.measured[k + 1 : k + 1 + steps] for k in some])
            off = measured_difference(s, measured, paths)
            for column, signal in enumerate(s.signals):
                length = np.linalg.norm(off[:, :, signal.tangent], axis=2)
                total[:, column] += np.nansum(length, axis=0)
                counts[:, column] += np.isfinite(length).sum(axis=0)
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)

    def _open_loop(self, log: Log, states: Array) -> Array:
        """Measured states (K, ny), every piece from its first state alone."""
        result = np.full_like(log.measured, np.nan)
        for a, b in log.pieces:
            result[a:b] = self._rollouts(log, states, [Window(0, a, b)])[0]
        return result

    def _rollouts(self, log: Log, states: Array, windows: Sequence[Window]) -> Array:
        """Measured states (windows, samples, ny) from given starts on."""
        library, s = self._fit.library, self._structure
        samples = windows[0].end - windows[0].first
        packed = WindowSet(library, s, [log], windows, samples, [states], delayed=self._delay is not None)
        packed.set_delay(self._delay or 0.0)
        packed.start(packed.nodes)
        paths = [
            library.rollout(batch, self._theta, self._fit.held(), follows=False)[:, s.measured_indices]
            for batch in packed.batches
        ]
        return np.concatenate([path.transpose(2, 0, 1) for path in paths])[: len(windows)]


def measured_difference(structure: ModelStructure, measured: Array, predicted: Array) -> Array:
    """measured ⊟ predicted (..., ny tangent) of measured states (..., ny)."""
    manifold, where = structure.dynamics.manifold, list(structure.measured_indices)
    blank = np.zeros((*measured.shape[:-1], manifold.nx))
    blank[..., list(manifold.quaternions)] = 1.0
    full, other = blank.copy(), blank
    full[..., where], other[..., where] = measured, predicted
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(manifold.difference(full, other)[..., list(structure.tangent_indices)])


def _rms(values: Array) -> float:
    finite = values[~np.isnan(values)]
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(finite**2))) if len(finite) else float("nan")
