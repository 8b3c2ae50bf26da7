"""What a fit gives: values with intervals, what the data see and what not, and how well the model predicts."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.model.parameters import Parameters


@final
class Standing(enum.Enum):
    """What the data say about a parameter; the value is how a table puts it."""

    IDENTIFIED = "yes"
    PRIOR = "from prior"  # the data add little to what was known before
    UNSEEN = "no"
    AT_BOUND = "at bound"


@final
@dataclass(frozen=True)
class Estimated:
    """One number that was looked for: a parameter of the model, the delay of the commands, a bias, a lag.

    half_width: the 95 % interval is value ± half_width, all sources of spread together. statistical: the part of it from one
    fit's residuals (autocorrelation included); between: from one window length to another. NaN where unknown.
    """

    name: str
    unit: str
    nominal: float
    value: float
    half_width: float
    standing: Standing
    statistical: float = float("nan")
    between: float = float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        return self.value - self.half_width, self.value + self.half_width


@final
@dataclass(frozen=True)
class Information:
    """What the data, and standard deviations given before, tell of the estimated numbers, each scaled by `scale` (n,).

    singular_values (n,) descending: square roots of the eigenvalues of the scaled information matrix, so 1/σ is the relative
    standard deviation along that direction; directions (n, n): a column each. correlation (n, n) of the estimates.
    """

    names: tuple[str, ...]
    scale: Array
    singular_values: Array
    directions: Array
    correlation: Array


@final
@dataclass(frozen=True)
class CrossValidation:
    """Every log predicted by a fit to the others.

    errors: of every log, as LogPrediction.error. estimates (logs, estimated): without that log.
    """

    logs: tuple[str, ...]
    errors: tuple[Array, ...]
    estimates: Array

    @property
    def std(self) -> Array:
        """(estimated,) of the estimate from all logs, by how they differ: jackknife, √((n − 1)/n Σ (θ_(−i) − mean)²)."""
        off = self.estimates - self.estimates.mean(axis=0)
        return np.asarray(np.sqrt((len(off) - 1) / len(off) * (off**2).sum(axis=0)))


@final
@dataclass(frozen=True)
class Fit:
    """The outcome of one method.

    parameters: the model's, all of them, in its order, with std and covariance of those that were estimated. estimated: those
    and the nuisances (delay, biases, lags), in the order of `information`. control_delay_s: how much later commands act than
    they are logged. biases, lags: (ny tangent,), 0 where none was fitted. signal_std: (ny tangent,) standard deviation of the
    residuals. notes: sentences for people: directions that the data do not see, parameters at a bound, windows left out.
    """

    method: str
    structure: ModelStructure
    parameters: Parameters
    estimated: tuple[Estimated, ...]
    information: Information
    control_delay_s: float
    biases: Array
    lags: Array
    signal_std: Array
    iterations: int
    converged: bool
    seconds: float
    notes: tuple[str, ...] = ()
    cross_validation: CrossValidation | None = None

    def __getitem__(self, name: str) -> Estimated:
        for entry in self.estimated:
            if entry.name == name:
                return entry
        raise KeyError(f"no estimate '{name}'; there are {', '.join(e.name for e in self.estimated)}")


@final
@dataclass(frozen=True)
class LogPrediction:
    """How one log is predicted by one set of parameters.

    role: "fitted" or "validation". times (K,), measured (K, ny) and predicted (K, ny) [NaN outside pieces]: over windows of the
    horizon, each from its fitted initial state. residuals (K, ny tangent): measured ⊟ predicted. error (H, signals): mean over
    all starts of the length of the error of each of ModelStructure.signals, h = 1..H steps of `period_s` after a *measured*
    start. window_starts: samples at which the windows of `predicted` begin, ascending; pictures show them. open_loop (K, ny):
    every piece simulated whole from its measured first state; open_loop_rms (signals,): its error, not finite if it ran away.
    """

    log: str
    role: str
    times: Array
    measured: Array
    predicted: Array
    residuals: Array
    period_s: float
    error: Array
    window_starts: tuple[int, ...] = ()
    open_loop: Array = field(default_factory=lambda: np.zeros((0, 0)))
    open_loop_rms: Array = field(default_factory=lambda: np.zeros(0))


@final
@dataclass(frozen=True)
class Identification:
    """All that `mpc identify` found: the chosen fit, those before it, and predictions with nominal and fitted values."""

    fit: Fit
    earlier: tuple[Fit, ...]
    nominal_predictions: tuple[LogPrediction, ...]
    predictions: tuple[LogPrediction, ...]
    window_lengths_s: Array = field(default_factory=lambda: np.zeros(0))
    by_window_length: Array = field(default_factory=lambda: np.zeros((0, 0)))  # (lengths, estimated)
    notes: tuple[str, ...] = ()
