"""Fits done many times over: from many first guesses, and on windows drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from scipy.stats import qmc

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.output_error import Optimum, OutputError, OutputErrorOptions
from mpc_controller.identification.parallel import Workers
from mpc_controller.identification.windows import Window

_FACTOR = 3.0  # how far from its nominal value a first guess may be
_SAME = 1e-3  # relative difference of two minima that are one


@final
@dataclass
class _Repeated:
    """What workers share. The fit is built where it is used, once."""

    structure: ModelStructure
    logs: Sequence[Log]
    options: OutputErrorOptions
    short: OutputErrorOptions
    std: Array
    theta: Array
    windows: Sequence[Window] = ()
    _fit: list[OutputError] = field(default_factory=list)

    @property
    def fit(self) -> OutputError:
        if not self._fit:
            self._fit.append(OutputError(self.structure))
        return self._fit[0]


@final
@dataclass(frozen=True)
class Minimum:
    """Where one start ended: θ (nθ,), and the negative logarithm of the likelihood there, up to a constant."""

    theta: Array
    value: float


def first_guesses(fit: OutputError, count: int, seed: int = 0) -> Array:
    """(count, nθ): the nominal values, and a Sobol sequence about them.

    Within a factor of 3 of nominal values, evenly in the logarithm; of those that are 0, within their priors.
    """
    points = qmc.Sobol(len(fit.nominal), seed=seed).random_base2(max(1, int(np.ceil(np.log2(count)))))[: count - 1]
    spread = np.where(fit.nominal != 0, fit.nominal * _FACTOR ** (2 * points - 1), fit.scale * (2 * points - 1))
    return np.asarray(np.clip(np.vstack([fit.nominal, spread]), fit.lower, fit.upper))


def multi_start(
    fit: OutputError,
    logs: Sequence[Log],
    options: OutputErrorOptions,
    short: OutputErrorOptions,
    count: int,
    workers: Workers,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Array, str]:
    """The best of `count` fits, each over windows as in `short` first; θ, and a sentence on where the starts ended."""
    shared = _Repeated(fit.structure, logs, replace(options, threads=1), replace(short, threads=1), fit.nominal, fit.nominal)
    found = workers.map(_from_guess, shared, list(first_guesses(fit, count)), progress)
    best = min(found, key=lambda minimum: minimum.value)
    size = max(abs(best.value), 1.0)
    alike = sum((minimum.value - best.value) / size < _SAME for minimum in found)
    return best.theta, f"{alike} of {count} starts ended at the same minimum, the best"


def _from_guess(shared: _Repeated, guess: Array) -> Minimum:
    fit = shared.fit
    near = fit.fit(shared.logs, shared.short, guess).theta
    optimum = fit.fit(shared.logs, shared.options, near)
    samples = sum(log.samples for log in shared.logs)
    return Minimum(optimum.theta, optimum.cost + samples * float(np.log(optimum.std).sum()))


def bootstrap(
    fit: OutputError,
    optimum: Optimum,
    logs: Sequence[Log],
    options: OutputErrorOptions,
    count: int,
    workers: Workers,
    progress: Callable[[str], None] = lambda line: None,
) -> Array:
    """(count, nθ): estimates from windows drawn anew, in blocks of neighbours, so that coloured residuals stay coloured.

    Source: Künsch, "The jackknife and the bootstrap for general stationary observations", 1989.
    """
    shared = _Repeated(
        fit.structure, logs, replace(options, threads=1, reweighted=False), options, optimum.std, optimum.theta,
        optimum.windows.windows,
    )  # fmt: skip
    return np.array(workers.map(_on_drawn_windows, shared, list(range(count)), progress))


def _on_drawn_windows(shared: _Repeated, seed: int) -> Array:
    drawn = draw_blocks(shared.windows, np.random.default_rng(seed))
    return shared.fit.fit(shared.logs, shared.options, shared.theta, shared.std, windows=drawn).theta


def draw_blocks(windows: Sequence[Window], random: np.random.Generator) -> list[Window]:
    """As many windows as there are, in blocks of about their third root, each of neighbours in one log."""
    count = len(windows)
    length = max(1, round(count ** (1 / 3)))
    starts = [k for k in range(count - length + 1) if windows[k].log == windows[k + length - 1].log] or list(range(count))
    drawn: list[Window] = []
    while len(drawn) < count:
        k = starts[int(random.integers(len(starts)))]
        drawn += windows[k : k + length]
    return drawn[:count]
