"""Fits from many first guesses: whether the best minimum is the only one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.identification.parallel import Workers
from mpc_controller.identification.repeated_fits import RepeatedFit, is_finite
from mpc_controller.model.parameters import Parameter

_FACTOR = 3.0  # how far from its nominal value a first guess may be
_PRIOR_STDS = 2.0  # the same where a prior says how well it is known
_ALIKE = 0.01  # relative difference of the residuals' power of minima that fit as well


@final
@dataclass(frozen=True)
class Minimum:
    """Where one start ended.

    theta (nθ,), uncertainty (nθ,): standard deviations there if residuals were white. value: negative logarithm of likelihood
    and prior, up to a constant; inf where a start leads nowhere. std, counts (nres,): noise, and samples it is of.
    """

    theta: Array
    uncertainty: Array
    value: float
    std: Array
    counts: Array

    def times(self, best: Minimum) -> float:
        """Power of the residuals, each signal's relative to the best minimum's."""
        return float((best.counts * (self.std / best.std) ** 2).sum() / best.counts.sum())


@final
@dataclass(frozen=True)
class MultiStart:
    """All minima, in the order of the starts; the best, and where the starts ended in words."""

    minima: tuple[Minimum, ...]
    best: Minimum
    note: str

    @property
    def spread(self) -> Array:
        """(nθ,) how far those lie from the best that fit as well."""
        alike = [m.theta for m in self.minima if np.isfinite(m.value) and m.times(self.best) < 1 + _ALIKE]
        return np.asarray(np.abs(np.array(alike) - self.best.theta).max(axis=0), dtype=float)


def first_guesses(fit: OutputError, count: int, given: Sequence[Array] = (), seed: int = 0) -> Array:
    """(count, nθ): the nominal values, those given, and a Latin hypercube about them (McKay, Beckman, Conover, 1979).

    Evenly within two standard deviations where these are known; else within a factor of 3 of the nominal value, evenly in the
    logarithm, or evenly within the bounds where they are narrower; of one that is 0, within its range. Biases and lags start
    at 0: the fit finds them from anywhere.
    """
    table = fit.unknowns.table
    models = len(fit.unknowns.parameters) + fit.unknowns.delay
    random = np.random.default_rng(seed)
    drawn = max(count - 1 - len(given), 0)
    cells = random.permuted(np.tile(np.arange(drawn), (len(table), 1)), axis=1).T
    points = (cells + random.uniform(size=cells.shape)) / max(drawn, 1)
    columns = [
        _scattered(p, float(scale), points[:, k]) if k < models else np.full(drawn, p.value)
        for k, (p, scale) in enumerate(zip(table, fit.scale, strict=True))
    ]
    guesses = np.vstack([fit.nominal, *given, np.stack(columns, axis=1)])[:count]
    return np.asarray(np.clip(guesses, fit.lower, fit.upper))


def _scattered(p: Parameter, scale: float, points: Array) -> Array:
    """Points in [0, 1] as values of a parameter."""
    if p.std:
        lowest, highest = p.value - _PRIOR_STDS * p.std, p.value + _PRIOR_STDS * p.std
    elif p.value:
        lowest, highest = sorted((p.value / _FACTOR, p.value * _FACTOR))
        if p.lower <= lowest and highest <= p.upper:
            return np.asarray(p.value * np.exp(np.log(_FACTOR) * (2 * points - 1)), dtype=float)
    else:
        lowest, highest = p.value - scale, p.value + scale
    lowest, highest = max(lowest, p.lower), min(highest, p.upper)
    return np.asarray(lowest + (highest - lowest) * points, dtype=float)


def multi_start(
    fit: OutputError,
    logs: Sequence[Log],
    options: OutputErrorOptions,
    short: OutputErrorOptions,
    guesses: Array,
    workers: Workers,
    progress: Callable[[str], None] = lambda line: None,
) -> MultiStart:
    """Fits from all guesses (starts, nθ), each over windows as in `short` first. Raises IdentificationError where all fail."""
    options, short = replace(options, threads=1), replace(short, threads=1)
    shared = RepeatedFit(fit.structure, fit.unknowns.delay, logs, options, short)
    found = workers.map(_from_guess, shared, list(guesses), lambda line: progress(f"starts: {line}"))
    best = min(found, key=lambda minimum: minimum.value)
    if not np.isfinite(best.value):
        raise IdentificationError(f"{fit.structure.name}: none of {len(guesses)} starts leads anywhere; check units and signs")
    return MultiStart(tuple(found), best, _in_words(fit, found, best))


def _from_guess(shared: RepeatedFit, guess: Array) -> Minimum:
    fit, options = shared.fit, shared.options
    try:
        near = fit.fit(shared.logs, shared.short, guess).theta
        optimum = fit.fit(shared.logs, options, near)
    except np.linalg.LinAlgError:  # simulations that run away
        return Minimum(guess, np.zeros_like(guess), np.inf, np.ones(fit.library.nres), np.ones(fit.library.nres))
    counts = np.sum([(batch.weight > 0).sum(axis=(0, 2)) for batch in optimum.windows.batches], axis=0).astype(float)
    off = (optimum.theta - fit.nominal) / fit.scale
    value = optimum.cost + float(counts @ np.log(optimum.std)) + 0.5 * float(off @ off)
    std = optimum.std if options.reweighted else optimum.std * np.sqrt(2 * optimum.cost / counts.sum())
    scaled = fit.scale[:, None] * optimum.information * fit.scale + np.eye(len(off))
    uncertainty = fit.scale * np.sqrt(np.diag(np.linalg.inv(scaled)))
    return Minimum(optimum.theta, uncertainty, value if is_finite(optimum.theta, value) else np.inf, std, counts)


def _in_words(fit: OutputError, found: Sequence[Minimum], best: Minimum) -> str:
    astray = [m for m in found if not np.isfinite(m.value)]
    reached = [m for m in found if np.isfinite(m.value)]
    alike = [m for m in reached if m.times(best) < 1 + _ALIKE]
    same = [m for m in alike if (np.abs(m.theta - best.theta) <= best.uncertainty).all()]
    worse = sorted(m.times(best) for m in reached if m.times(best) >= 1 + _ALIKE)
    if len(same) == len(found):
        return f"all {len(found)} starts end at the same values"
    parts = [f"{len(same)} of {len(found)} starts {'end' if len(same) > 1 else 'ends'} at the same values, the best"]
    others = [m for m in alike if not any(m is one for one in same)]
    if others:
        farthest = np.max([np.abs(m.theta - best.theta) / best.uncertainty for m in others], axis=0).argmax()
        p, values = fit.unknowns.table[farthest], sorted(m.theta[farthest] for m in others)
        listed = f"{values[0]:.3g}" if len(values) == 1 else f"{values[0]:.3g} to {values[-1]:.3g}"
        told = f"{p.name} {listed} instead of {best.theta[farthest]:.3g} {p.unit}".rstrip()
        parts.append(f"{_end(others)} at other values that fit as well ({told})")
    if worse:
        costs = f"{worse[0]:.2g}" if len(worse) == 1 else f"{worse[0]:.2g} to {worse[-1]:.2g}"
        parts.append(f"{_end(worse)} in {'a local minimum' if len(worse) == 1 else 'local minima'} with {costs} times the cost")
    if astray:
        parts.append(f"{'one leads' if len(astray) == 1 else f'{len(astray)} lead'} nowhere")
    return "; ".join(parts)


def _end(some: Sequence[object]) -> str:
    return "one ends" if len(some) == 1 else f"{len(some)} end"
