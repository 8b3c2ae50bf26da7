"""Who fits, and what a fit gives."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from launch.bench.identification.case import Case
from mpc_controller.arrays import Array
from mpc_controller.identification.identify import IdentifyOptions, output_error
from mpc_controller.identification.log import Log
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.identification.windows import Window, WindowSet


@final
@dataclass(frozen=True)
class Outcome:
    """Estimates (n,) with 95 % half-widths (n,) as stated; processor time from logs to intervals, and of the fit alone: on one
    core with nothing to wait for it is the wall clock's, but for what others take of the core."""

    values: Array
    half_widths: Array
    seconds: float
    fit_s: float
    is_converged: bool


class Contender(abc.ABC):
    """Fits one case's model. The constructor may take long; it is not timed."""

    name: str

    @abc.abstractmethod
    def fit(self, logs: Sequence[Log], window_s: float) -> Outcome:
        """From the model's first guess, to windows of that length, on one core."""

    @abc.abstractmethod
    def open_loop(self, values: Array, log: Log) -> Array:
        """(K,) positions of a log in one piece, NaN outside it, simulated from Case.states at its start."""


@final
class OwnContender(Contender):
    """Multi-step output error as `mpc identify` does it, intervals with their fits of other window lengths included."""

    name = "mpc identify"

    def __init__(self, case: Case, report: Callable[[str], None]) -> None:
        self._case, self._fit = case, OutputError(case.structure, report, delay=False)

    def fit(self, logs: Sequence[Log], window_s: float) -> Outcome:
        options = IdentifyOptions(output_error=OutputErrorOptions(window_s=window_s, threads=1))
        begun = time.process_time()
        found, _, _ = output_error(self._fit, logs, options)
        seconds = time.process_time() - begun
        values, half_widths = (np.array([getattr(e, what) for e in found.estimated]) for what in ("value", "half_width"))
        return Outcome(values, half_widths, seconds, found.seconds, found.converged)

    def open_loop(self, values: Array, log: Log) -> Array:
        fit, ((a, b),) = self._fit, log.pieces
        path = np.full(len(log.times), np.nan)
        whole = WindowSet(fit.library, self._case.structure, [log], [Window(0, a, b)], b - a, [self._case.states(log)], False)
        whole.start(whole.nodes)
        path[a:b] = fit.library.rollout(whole.batches[0], values, fit.held(), follows=False)[:, 0, 0]
        return path
