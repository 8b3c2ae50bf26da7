"""Intervals from fits on windows drawn anew, which need no assumption on the residuals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.output_error import Optimum, OutputError, OutputErrorOptions
from mpc_controller.identification.parallel import Workers
from mpc_controller.identification.repeated_fits import RepeatedFit, is_finite
from mpc_controller.identification.windows import Window


@final
@dataclass(frozen=True)
class Bootstrap:
    """estimates (replicates, nθ); blocks: how many one draw consists of. Replicates that ran away are left out."""

    estimates: Array
    blocks: int

    @property
    def variance(self) -> Array:
        """(nθ,) of the estimate: that of the replicates, which vary about the mean of few blocks and so a little too little."""
        return np.asarray(self.estimates.var(axis=0, ddof=1) * self.blocks / (self.blocks - 1))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the variance."""
        return float(max(min(len(self.estimates), self.blocks) - 1, 1))


def bootstrap(
    fit: OutputError,
    optimum: Optimum,
    logs: Sequence[Log],
    options: OutputErrorOptions,
    count: int,
    workers: Workers,
    progress: Callable[[str], None] = lambda line: None,
) -> Bootstrap:
    """Estimates from windows drawn anew, in blocks of neighbours, so that coloured residuals stay coloured.

    Source: Künsch, "The jackknife and the bootstrap for general stationary observations", 1989.
    """
    options = replace(options, threads=1, reweighted=False)
    windows = optimum.windows.windows
    shared = RepeatedFit(
        fit.structure, fit.unknowns.delay, logs, options, theta=optimum.theta, std=optimum.std, windows=windows
    )
    found = workers.map(_on_drawn_windows, shared, list(range(count)), lambda line: progress(f"bootstrap: {line}"))
    reached = [theta for theta in found if theta is not None]
    if len(reached) < max(2, count / 2):
        lost = count - len(reached)
        raise IdentificationError(f"{fit.structure.name}: {lost} of {count} fits of the bootstrap run away; leave it out")
    return Bootstrap(np.array(reached), max(2, len(windows) // block_length(windows)))


def _on_drawn_windows(shared: RepeatedFit, seed: int) -> Array | None:
    drawn = draw_blocks(shared.windows, np.random.default_rng(seed))
    try:
        optimum = shared.fit.fit(shared.logs, shared.options, shared.theta, shared.std, windows=drawn)
    except np.linalg.LinAlgError:
        return None
    return optimum.theta if is_finite(optimum.theta, optimum.cost) else None


def block_length(windows: Sequence[Window]) -> int:
    """Windows a block: the third root of their number, and so many that those which overlap stay together; no more than the
    longest log has."""
    runs = [list(run) for _, run in groupby(windows, key=lambda w: w.log)]
    longest = max(runs, key=len)
    overlap = sum(w.first < longest[0].end for w in longest)
    wanted = max(round(float(np.cbrt(len(windows)))), 2 * (overlap - 1), 1)
    return min(wanted, len(longest), max(1, len(windows) // 4))


def draw_blocks(windows: Sequence[Window], random: np.random.Generator) -> list[Window]:
    """As many windows as there are, in blocks of neighbours in one log."""
    length = block_length(windows)
    starts = [k for k in range(len(windows) - length + 1) if windows[k].log == windows[k + length - 1].log]
    drawn: list[Window] = []
    while len(drawn) < len(windows):
        k = starts[int(random.integers(len(starts)))]
        drawn += windows[k : k + length]
    return drawn[: len(windows)]
