"""Multi-step output error: the parameters with which the model predicts whole windows of the logs best."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.descent import NEARLY, Descent, reduced
from mpc_controller.identification.fit_library import FitLibrary
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.sensitivity import DELAY, Unknowns
from mpc_controller.identification.windows import Window, WindowSet, cut, followed_states
from mpc_controller.model.parameters import Parameters

_REWEIGHTINGS, _SAME_NOISE = 8, 0.03
_OVERLAP = 5  # windows that share a sample where they start at what was measured


@final
@dataclass(frozen=True)
class OutputErrorOptions:
    """window_s: length of the windows (None: the structure's horizon). interval_s: between the nodes inside a window (None: the
    shorter of window and horizon). threshold: of Huber's loss in standard deviations (inf: least squares). reweighted: estimate
    the noise of every signal from the residuals. iterations: at most so many, over all weightings. threads: None takes all
    cores. measured_starts: None takes the structure's; windows then overlap, and have no nodes inside.
    """

    window_s: float | None = None
    interval_s: float | None = None
    threshold: float = 3.0
    reweighted: bool = True
    iterations: int = 100
    threads: int | None = None
    measured_starts: bool | None = None


@final
@dataclass(frozen=True)
class Optimum:
    """Where the iteration ended: θ (nθ,) with bounds and prior, and all that intervals are made of.

    information (nθ, nθ): of the data, with the initial states eliminated, prior left out; scores (windows, nθ): each window's
    share of the gradient, the same way. std (nres,): noise of the residuals.
    """

    unknowns: Unknowns
    theta: Array
    std: Array
    cost: float
    information: Array
    scores: Array
    windows: WindowSet
    iterations: int
    converged: bool
    seconds: float


@final
class OutputError:
    """θ̂ = argmin Σ_windows min_s Σ_k ρ(w (y_k ⊟ h(x_k, θ))) + prior,   x_0 = s,  x_{k+1} = F(x_k, u_k(t − d), p, dt_k).

    Gauss-Newton with Levenberg-Marquardt damping; the initial states s are eliminated window by window (Schur complement), and
    the nodes inside a window follow θ and s by condensing, with a line search on an ℓ1 merit of cost and gaps. Parameters stay
    within their bounds by projection. A parameter with a `std` has a Gaussian prior of that width about its value; one without
    has one as wide as its bounds, or as twice its own size, which only decides where the data say nothing. The constructor
    compiles.
    """

    def __init__(
        self,
        structure: ModelStructure,
        report: Callable[[str], None] = lambda line: None,
        delay: bool | None = None,
    ) -> None:
        self.structure = structure
        self.unknowns = Unknowns(structure, structure.delay_limit_s > 0 if delay is None else delay)
        self.library = FitLibrary(self.unknowns, report)
        table = self.unknowns.table
        self.nominal = np.array([p.value for p in table])
        self.lower = np.array([p.lower for p in table])
        self.upper = np.array([p.upper for p in table])
        self.scale = np.array([prior_std(p.value, p.lower, p.upper, p.std) for p in table])

    def held(self, parameters: Parameters | None = None) -> Array:
        """The values of the parameters that are not fitted."""
        p = self.structure.dynamics.parameters if parameters is None else parameters
        return np.array([p[name].value for name in self.unknowns.held])

    def theta_of(self, parameters: Parameters, delay_s: float = 0.0) -> Array:
        """θ with the values of a parameter table, and no biases or lags."""
        theta = self.nominal.copy()
        for k, name in enumerate(self.unknowns.parameters):
            theta[k] = parameters[name].value
        if self.unknowns.delay:
            theta[self.unknowns.names.index(DELAY)] = delay_s
        return theta

    def delay_of(self, theta: Array) -> float:
        return float(theta[self.unknowns.names.index(DELAY)]) if self.unknowns.delay else 0.0

    def windows(
        self, logs: Sequence[Log], options: OutputErrorOptions, theta: Array, chosen: Sequence[Window] | None = None
    ) -> WindowSet:
        """The logs in windows, or those chosen of them, started from states that θ's model follows them with."""
        horizon = self.structure.horizon_s
        window_s = horizon if options.window_s is None else options.window_s
        interval_s = min(window_s, horizon) if options.interval_s is None else options.interval_s
        period = float(np.median([log.period_s for log in logs]))
        samples, interval = max(3, round(window_s / period)), max(2, round(interval_s / period))
        delay = self.delay_of(theta) if self.unknowns.delay else None
        states = followed_states(self.library, self.structure, logs, theta, self.held(), delay)
        longest = max((b - a for log in logs for a, b in log.pieces), default=samples)
        samples = min(samples, longest)
        if self._starts_measured(options):
            overlapping = cut(logs, samples, max(1, samples // _OVERLAP))
            return WindowSet(self.library, self.structure, logs, chosen or overlapping, samples, states, self.unknowns.delay)
        apart = chosen or cut(logs, samples)
        return WindowSet(self.library, self.structure, logs, apart, interval, states, self.unknowns.delay)

    def _starts_measured(self, options: OutputErrorOptions) -> bool:
        return self.structure.measured_starts if options.measured_starts is None else options.measured_starts

    def fit(
        self,
        logs: Sequence[Log],
        options: OutputErrorOptions | None = None,
        start: Array | None = None,
        std: Array | None = None,
        progress: Callable[[str], None] = lambda line: None,
        windows: Sequence[Window] | None = None,
    ) -> Optimum:
        """Fit to the logs, from θ `start` and noise `std` (nres,); without, the nominal values and the structure's own.

        windows: those to fit to, each as often as it stands there, instead of all.
        """
        options = options or OutputErrorOptions()
        begun = time.monotonic()
        theta = self.nominal.copy() if start is None else np.clip(start, self.lower, self.upper)
        noise = self.structure.measurement_std.copy() if std is None else std.copy()
        packed = self.windows(logs, options, theta, windows)
        with ThreadPoolExecutor(options.threads or len(os.sched_getaffinity(0))) as pool:
            fixed = self._starts_measured(options)
            descent = Descent(self, packed, options.threshold, pool, progress, moves_states=not fixed)
            spent, converged = 0, False
            for _ in range(_REWEIGHTINGS if options.reweighted else 0):
                packed.set_weights(noise)
                theta, used, _ = descent.run(theta, options.iterations - spent, NEARLY)
                spent += used
                before, noise = noise, descent.noise(noise)
                if fixed:  # what no sensor sees is predicted anew
                    packed.nodes = self.windows(logs, options, theta, windows).nodes
                if np.abs(np.log(noise / before)).max() < _SAME_NOISE or spent >= options.iterations:
                    break
            packed.set_weights(noise)
            theta, used, converged = descent.run(theta, max(options.iterations - spent, 1))
            spent += used
            packed.set_weights(noise)
            final = descent.evaluate(theta, derivatives=True)
        return Optimum(
            self.unknowns,
            theta,
            noise,
            final.cost,
            *reduced(final, not fixed),
            packed,
            spent,
            converged,
            time.monotonic() - begun,
        )

    def fit_states(self, log: Log, theta: Array, std: Array, options: OutputErrorOptions) -> WindowSet:
        """The windows of a log with initial states fitted to it, θ as it is."""
        windows = self.windows([log], options, theta)
        windows.set_weights(std)
        with ThreadPoolExecutor(options.threads or len(os.sched_getaffinity(0))) as pool:
            Descent(self, windows, options.threshold, pool, lambda line: None, moves_theta=False).run(theta, 20)
        return windows


def prior_std(value: float, lower: float, upper: float, std: float | None) -> float:
    """Width of the prior of a parameter: its own, else half its range, at most twice its size."""
    if std:
        return std
    width = 0.5 * (upper - lower)
    if np.isfinite(width) and width > 0:
        return min(width, 2 * abs(value)) if value else width
    return 2 * abs(value) or 1.0
