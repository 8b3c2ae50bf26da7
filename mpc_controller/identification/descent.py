"""Damped Gauss-Newton steps over windows: parameters and nodes move, initial states are eliminated."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.condensing import Condensed, condense
from mpc_controller.identification.fit_library import Normal, SegmentBatch
from mpc_controller.identification.windows import WindowSet

if TYPE_CHECKING:
    from mpc_controller.identification.output_error import OutputError

_TRIALS = 12  # of one iteration
STILL = 1e-5  # relative fall of the cost below which an iteration found nothing more …
NEARLY = 1e-2  # … and below which it is time to look at the noise again
_ROUGH = 30  # times as much where nodes move
_CLOSED = 1e-5  # a gap that small is none


@final
class Descent:
    """Damped Gauss-Newton steps over all windows of a set."""

    def __init__(
        self,
        fit: OutputError,
        windows: WindowSet,
        threshold: float,
        pool: ThreadPoolExecutor,
        progress: Callable[[str], None],
        moves_states: bool = True,
        moves_theta: bool = True,
    ) -> None:
        self._moves_states, self._moves_theta = moves_states, moves_theta
        self._fit, self._library, self._windows = fit, fit.library, windows
        self._threshold, self._pool, self._progress = threshold, pool, progress
        self._held, self._manifold = fit.held(), fit.structure.dynamics.manifold
        self._prior = 1 / fit.scale**2
        self._damping = 1e-3
        self._squares = np.zeros(self._library.nres)
        self._counts = np.ones(self._library.nres)

    def run(self, theta: Array, iterations: int, still: float = STILL) -> tuple[Array, int, bool]:
        """From θ until the cost falls by less than `still`: θ, iterations, whether it did. The windows' nodes move along."""
        self._penalty = 1.0  # the price of a gap goes with the weights
        point = self.evaluate(theta, derivatives=True)
        for k in range(1, iterations + 1):
            taken = self._iterate(theta, point)
            if taken is None:
                return theta, k, point.gap < _CLOSED
            theta, before, point = taken[0], point, taken[1]
            self._progress(f"iteration {k}: cost {point.cost:.6g}" + (f", gaps {point.gap:.2g}" if before.gap else ""))
            fall = (self._merit(before, taken[2]) - self._merit(point, theta)) / max(self._merit(before, taken[2]), 1e-300)
            # Between nodes that move, sticking and slipping change places: the cost is rough on a small scale.
            if fall < still * (_ROUGH if self._windows.has_gaps else 1) and point.gap < _CLOSED:
                return theta, k, True
        return theta, iterations, False

    def noise(self, std: Array) -> Array:
        """Standard deviation of every residual at the last point with derivatives, not below a tenth of the sensor's own."""
        count = np.maximum(self._counts, 1.0)
        fitted = self._windows.count * self._library.ndx if self._moves_states else 0
        freedom = np.clip(1 - fitted / count.sum(), 0.1, 1.0)
        estimated = std * np.sqrt(np.maximum(self._squares, 1e-12) / (count * freedom))
        lowest = 0.1 * self._fit.structure.measurement_std
        return np.where(self._counts > 0, np.maximum(estimated, lowest), std)

    def evaluate(self, theta: Array, derivatives: bool, nodes: Array | None = None) -> Condensed:
        """All windows at θ, from their own nodes or from others."""
        windows, at = self._windows, self._windows.nodes if nodes is None else nodes
        windows.set_delay(self._fit.delay_of(theta))
        windows.start(at)

        def one(batch: SegmentBatch) -> Normal:
            return self._library.segments(batch, theta, self._held, self._threshold, derivatives)

        normals = list(self._pool.map(one, windows.batches))
        point = condense(windows, normals, at, self._manifold, derivatives)
        if derivatives:
            self._squares, self._counts = point.squares, point.counts
        return point

    def _iterate(self, theta: Array, point: Condensed) -> tuple[Array, Condensed, Array] | None:
        """One accepted step: the new θ and its point, and the old θ; None where no step helps."""
        for _ in range(_TRIALS):
            step = self._step(theta, point)
            if step is None:
                self._damping = max(10 * self._damping, 1e-6)
                continue
            change, states, promised = step
            moves = point.moved(states, change, self._windows)
            self._raise_penalty(point, theta, promised)
            expected = self._merit(point, theta) - promised
            for fraction in (1.0, 0.5, 0.25) if self._windows.has_gaps else (1.0,):
                trial = np.clip(theta + fraction * change, self._fit.lower, self._fit.upper)
                nodes = self._manifold.normalized(self._manifold.retract(self._windows.nodes, fraction * moves))
                value = self.evaluate(trial, derivatives=False, nodes=nodes)
                fall = self._merit(point, theta) - self._merit(value, trial)
                if fall >= 1e-4 * fraction * max(expected, 0.0) and np.isfinite(value.cost):
                    self._windows.nodes = nodes
                    good = fall > 0.25 * fraction * expected
                    self._damping = max(self._damping / (5 if good else 1), 1e-12) if fraction == 1.0 else self._damping
                    return trial, self.evaluate(trial, derivatives=True), theta
            self._damping = max(8 * self._damping, 1e-6)
        return None

    def _merit(self, point: Condensed, theta: Array) -> float:
        off = theta - self._fit.nominal
        return point.cost + 0.5 * float(off @ (self._prior * off)) + self._penalty * point.gap

    def _raise_penalty(self, point: Condensed, theta: Array, promised: float) -> None:
        """ℓ1 weight of the gaps with which the step goes down: closing them may cost."""
        if point.gap > _CLOSED:
            rise = promised - (self._merit(point, theta) - self._penalty * point.gap)
            self._penalty = max(self._penalty, 2 * rise / point.gap)

    def _step(self, theta: Array, point: Condensed) -> tuple[Array, Array, float] | None:
        """δθ, δs (windows, ndx) and the merit without gaps that the quadratic model promises; None where it has no minimum."""
        damping, fit = self._damping, self._fit
        off = theta - fit.nominal
        gradient = point.gp.sum(axis=0) + self._prior * off
        Hpp = point.Hpp.sum(axis=0) + np.diag(self._prior)
        Hpp_damped = Hpp + damping * np.diag(np.diag(Hpp))
        diagonal = np.einsum("wii->wi", point.Hss)
        Hss = _firm(point.Hss + damping * diagonal[:, :, None] * np.eye(self._library.ndx))
        both = np.concatenate([point.Hsp, point.gs[:, :, None]], axis=2)
        try:
            solved = np.linalg.solve(Hss, both) if self._moves_states else np.zeros_like(both)
        except np.linalg.LinAlgError:
            return None
        reduced = Hpp_damped - np.einsum("wij,wik->jk", point.Hsp, solved[:, :, :-1])
        right = gradient - np.einsum("wij,wi->j", point.Hsp, solved[:, :, -1])
        scale = fit.scale
        nowhere = np.zeros_like(theta)  # bounds may be infinite
        lowest, highest = ((end - theta) / scale if self._moves_theta else nowhere for end in (fit.lower, fit.upper))
        scaled = _bounded_step(scale[:, None] * reduced * scale, scale * right, lowest, highest)
        if scaled is None or not np.isfinite(scaled).all():
            return None
        change = scale * scaled
        states = -(solved[:, :, -1] + solved[:, :, :-1] @ change)
        promised = (
            point.closed
            + float(np.einsum("wi,wi->", point.gs, states) + gradient @ change)
            + 0.5 * float(np.einsum("wi,wij,wj->", states, point.Hss, states) + change @ Hpp @ change)
            + float(np.einsum("wi,wij,j->", states, point.Hsp, change))
            + 0.5 * float(off @ (self._prior * off))
        )
        return change, states, promised


def reduced(point: Condensed, eliminates: bool) -> tuple[Array, Array]:
    """Information (nθ, nθ) and scores (windows, nθ), with the initial states eliminated if they are unknown."""
    if not eliminates:
        return np.asarray(point.Hpp.sum(axis=0)), point.gp
    both = np.concatenate([point.Hsp, point.gs[:, :, None]], axis=2)
    solved = np.linalg.solve(_firm(point.Hss), both)
    information = point.Hpp.sum(axis=0) - np.einsum("wij,wik->jk", point.Hsp, solved[:, :, :-1])
    return np.asarray(information), np.asarray(point.gp - np.einsum("wij,wi->wj", point.Hsp, solved[:, :, -1]))


def _firm(H: Array) -> Array:
    """With a ridge far below what is seen, so that states that no sensor sees stay where they are."""
    diagonal = np.einsum("wii->wi", H)
    ridge = 1e-12 * (diagonal.max(axis=1, keepdims=True) + 1e-300) + 1e-12
    return np.asarray(H + (ridge * np.ones_like(diagonal))[:, :, None] * np.eye(H.shape[1]))


def _bounded_step(H: Array, g: Array, lowest: Array, highest: Array) -> Array | None:
    """min ½ δᵀHδ + gᵀδ for lowest ≤ δ ≤ highest, by projected Newton: entries that would leave are held at the bound."""
    free = np.ones(len(g), dtype=bool)
    change = np.zeros(len(g))
    for _ in range(len(g) + 1):
        if not free.any():
            return change
        rest = g[free] + H[np.ix_(free, ~free)] @ change[~free]
        try:
            change[free] = -np.linalg.solve(H[np.ix_(free, free)], rest)
        except np.linalg.LinAlgError:
            return None
        beyond = free & ((change < lowest) | (change > highest))
        if not beyond.any():
            return change
        change[beyond] = np.clip(change, lowest, highest)[beyond]
        free &= ~beyond
    return change
