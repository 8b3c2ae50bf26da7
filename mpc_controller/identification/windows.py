"""Logs cut into windows, packed for the native core: as many windows side by side as a vector has lanes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit_library import FitLibrary, SegmentBatch
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure

_SMOOTHED = 11  # samples of a moving average over a differentiated signal


@final
@dataclass(frozen=True)
class Window:
    """Samples [first, end) of log number `log`."""

    log: int
    first: int
    end: int


def cut(logs: Sequence[Log], samples: int, stride: int | None = None) -> list[Window]:
    """Windows of `samples` samples, one after the other within every piece; what is left of a piece counts from half one on.

    With a `stride`, one starts every so many samples, and they overlap.
    """
    windows = []
    for number, log in enumerate(logs):
        for first, end in log.pieces:
            starts = range(first, end, stride or samples)
            windows += [
                Window(number, start, min(start + samples, end))
                for start in starts
                if min(start + samples, end) - start >= max(2, min(samples // 2, end - first))
            ]
    if not windows:
        lengths = ", ".join(f"{log.name}: {log.duration_s:.2f} s in pieces" for log in logs)
        raise IdentificationError(f"no window of {samples} samples fits into the logs ({lengths}); give longer logs")
    return windows


@final
class DelayedControls:
    """The commands of a log as they act when they are late: every step in two parts, before and after the change within it.

    u is held from sample to sample, so that with a delay d it changes at t_j + d. Where one change falls into a step, the two
    parts are exact; where time stamps are so irregular that several do, the second part has their mean. Before the first sample
    the first command is taken.
    """

    def __init__(self, log: Log) -> None:
        self._times = np.append(log.times, log.times[-1] + log.steps[-1])
        self._controls = log.controls
        area = np.cumsum(log.controls * log.steps[:, None], axis=0)
        self._integral = np.vstack([np.zeros((1, log.controls.shape[1])), area])

    def at(self, delay: float) -> tuple[Array, Array, Array]:
        """Commands (2 K, nu), durations (2 K,) and their derivatives with respect to the delay (2 K,): 1, −1 or 0."""
        start, end = self._times[:-1], self._times[1:]
        first = np.searchsorted(self._times, start - delay - 1e-9 * (end - start), side="left")  # the change after `start`
        change = self._times[np.minimum(first, len(start))] + delay
        has_change = (change < end) & (first < len(start))
        change = np.clip(np.where(has_change, change, end), start, end)
        before = self._controls[np.clip(first - 1, 0, len(start) - 1)]
        rest = np.where(end > change, end - change, 1.0)[:, None]
        after = np.where((end > change)[:, None], (self._area(end - delay) - self._area(change - delay)) / rest, before)
        slope = has_change.astype(float)
        return (
            np.stack([before, after], axis=1).reshape(2 * len(start), -1),
            np.stack([change - start, end - change], axis=1).ravel(),
            np.stack([slope, -slope], axis=1).ravel(),
        )

    def _area(self, times: Array) -> Array:
        """∫u dt (n, nu) from the log's start."""
        early = np.minimum(times - self._times[0], 0.0)[:, None] * self._controls[:1]
        columns = [np.interp(times, self._times, column) for column in self._integral.T]
        return np.asarray(np.stack(columns, axis=-1) + early if columns else early)


@final
@dataclass(frozen=True)
class Segment:
    """Samples [first, end) of window number `window`: what lies between two nodes."""

    window: int
    first: int
    end: int


@final
class WindowSet:
    """Windows of logs, cut into segments at the nodes, in batches of lanes; what fills up the last batch weighs nothing.

    `nodes` (segments, nx) are the states at the starts of the segments, window after window.
    """

    def __init__(
        self,
        library: FitLibrary,
        structure: ModelStructure,
        logs: Sequence[Log],
        windows: Sequence[Window],
        interval: int,
        states: Sequence[Array],
        delayed: bool,
    ) -> None:
        """interval: samples between nodes. states (K, nx) of every log: where nodes and rollouts start. delayed: whether
        `set_delay` will say when commands act; else at once."""
        self.windows = list(windows)
        self.segments = [
            Segment(number, first, min(first + interval, w.end))
            for number, w in enumerate(self.windows)
            for first in range(w.first, w.end, interval)
        ]
        self._library, self._structure, self._logs = library, structure, logs
        self._stride = 2 if delayed else 1
        self._delayed = [DelayedControls(log) for log in logs] if delayed else []
        self._samples = max(s.end - s.first for s in self.segments)
        self.nodes = np.array([states[self._log(s)][s.first] for s in self.segments])
        self.batches = [self._packed(first) for first in range(0, len(self.segments), library.lanes)]

    @property
    def count(self) -> int:
        return len(self.windows)

    @property
    def overlap(self) -> int:
        """How many windows share a sample."""
        starts = [w.first for w in self.windows if w.log == self.windows[0].log]
        return max(1, round((self.windows[0].end - starts[0]) / max(1, starts[1] - starts[0]))) if len(starts) > 1 else 1

    @property
    def has_gaps(self) -> bool:
        """Whether any window has nodes inside."""
        return len(self.segments) > len(self.windows)

    def start(self, nodes: Array) -> None:
        """Let the segments start at nodes (segments, nx)."""
        lanes = self._library.lanes
        for number, batch in enumerate(self.batches):
            some = nodes[number * lanes : (number + 1) * lanes]
            batch.start[:, : len(some)] = some.T
            batch.start[:, len(some) :] = some[-1:].T

    def set_delay(self, delay: float) -> None:
        """Make the commands act `delay` [s] later than they were logged."""
        if self._stride == 1:
            return
        acting = [delayed.at(delay) for delayed in self._delayed]
        for s, batch, lane in self._places():
            control, dt, slope = acting[self._log(s)]
            part, steps = slice(2 * s.first, 2 * self._reach(s)), 2 * (self._reach(s) - s.first)
            batch.control[:steps, :, lane] = control[part]
            batch.dt[:steps, 0, lane] = dt[part]
            batch.dt_slope[:steps, 0, lane] = slope[part]

    def set_weights(self, std: Array) -> None:
        """Weigh every residual by 1/std (nres,), and those without a measurement by 0."""
        rows = _row_columns(self._structure)
        for s, batch, lane in self._places():
            seen = np.isfinite(self._logs[self._log(s)].measured[s.first : s.end][:, rows])
            batch.weight[: s.end - s.first, :, lane] = np.where(seen, 1 / std, 0.0)

    def _log(self, segment: Segment) -> int:
        return self.windows[segment.window].log

    def _reach(self, s: Segment) -> int:
        """The sample up to which a segment is simulated: the next node, or the window's last sample."""
        return min(s.end, self.windows[s.window].end - 1)

    def _places(self) -> Iterator[tuple[Segment, SegmentBatch, int]]:
        """Every segment with its batch and lane."""
        lanes = self._library.lanes
        for number, segment in enumerate(self.segments):
            yield segment, self.batches[number // lanes], number % lanes

    def _packed(self, first: int) -> SegmentBatch:
        lib = self._library
        some = self.segments[first : first + lib.lanes]
        measured = np.zeros((self._samples, lib.ny, lib.lanes))
        for lane in range(lib.lanes):
            s = some[min(lane, len(some) - 1)]
            log = self._logs[self._log(s)]
            measured[: s.end - s.first, :, lane] = log.measured[s.first : s.end]
            measured[s.end - s.first :, :, lane] = log.measured[s.end - 1]
        batch = SegmentBatch(lib.nx, measured, lib.nres, lib.nu, self._stride)
        for lane, s in enumerate(some if self._stride == 1 else ()):
            log, steps = self._logs[self._log(s)], self._reach(s) - s.first
            batch.control[:steps, :, lane] = log.controls[s.first : s.first + steps]
            batch.dt[:steps, 0, lane] = np.diff(log.times[s.first : s.first + steps + 1])
        return batch


def followed_states(
    library: FitLibrary, structure: ModelStructure, logs: Sequence[Log], theta: Array, held: Array, delay: float | None
) -> list[Array]:
    """States (K, nx) along every log, from what was measured until then; NaN outside pieces.

    Measured entries are the measured ones, the last known where a sensor gave none; the others are predicted from the sample
    before, as by an estimator that believes its sensors. At the start of a piece they are 0. States that are the derivative of
    a measured one are not predicted but differentiated, which needs samples on both sides. delay: None where commands act at
    once.
    """
    d = structure.dynamics
    results = [np.full((len(log.times), d.nx), np.nan) for log in logs]
    pieces = [Window(number, a, b) for number, log in enumerate(logs) for a, b in log.pieces]
    start = np.zeros(d.nx)
    start[list(d.manifold.quaternions)] = 1.0
    blank = [np.tile(start, (len(log.times), 1)) for log in logs]
    derivatives = derivative_states(structure)
    for i in range(0, len(pieces), library.lanes):
        some = pieces[i : i + library.lanes]
        samples = max(w.end - w.first for w in some)
        windows = WindowSet(library, structure, logs, some, samples, blank, delayed=delay is not None)
        windows.set_delay(delay or 0.0)
        windows.start(windows.nodes)
        states = library.rollout(windows.batches[0], theta, held, follows=True)
        for lane, w in enumerate(some):
            x = np.nan_to_num(states[: w.end - w.first, :, lane], nan=0.0, posinf=0.0, neginf=0.0)
            for index, column in derivatives.items():
                x[:, index] = _slope(logs[w.log].times[w.first : w.end], x[:, column])
            results[w.log][w.first : w.end] = d.manifold.normalized(x)
    return results


def derivative_states(structure: ModelStructure) -> dict[int, int]:
    """Unmeasured states that are the derivative of a measured one: their place in x → the place of that one."""
    d = structure.dynamics
    x, u, p = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu), ca.SX.sym("p", d.np)
    f = d.xdot(x, u, p)
    measured = structure.measured_indices
    return {j: i for i in measured for j in range(d.nx) if j not in measured and ca.is_equal(ca.SX(f[i]), x[j], 2)}


def _slope(times: Array, values: Array) -> Array:
    if len(times) < 3:
        return np.gradient(values, times) if len(times) > 1 else np.zeros_like(values)
    width = min(_SMOOTHED, len(values) // 2 * 2 - 1)
    slope = np.gradient(values, times)
    padded = np.pad(slope, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def _row_columns(structure: ModelStructure) -> list[int]:
    """For every residual row, a column of Log.measured that it comes from."""
    result = [0] * len(structure.tangent_indices)
    for signal in structure.signals:
        for k, row in enumerate(signal.tangent):
            result[row] = signal.columns[min(k, len(signal.columns) - 1)]
    return result
