"""How far an estimate can be trusted: intervals that hold when residuals are coloured and the model is not quite right."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import final

import numpy as np
from scipy.special import stdtrit

from mpc_controller.arrays import Array
from mpc_controller.identification.bootstrap import Bootstrap
from mpc_controller.identification.output_error import Optimum, OutputError

_CONFIDENCE = 0.95
FEW_WINDOWS = 10  # fewer say too little about how windows differ


@final
class Covariance:
    """Of θ̂ (nθ, nθ), with the factor that makes 95 % half-widths of standard deviations.

    The largest of three, direction by direction of the parameters' own axes:

    * the model's, A⁻¹ with A = information + prior, right where residuals are white;
    * the sandwich A⁻¹ (Σ_l w_l Σ_j s_j s_{j+l}ᵀ + prior) A⁻¹ of the windows' scores s_j with Bartlett's weights w_l, which
      allows for coloured residuals and a model that is not quite right (Newey, West, 1987); with few windows, A⁻¹ times the
      residuals' autocorrelation time instead;
    * the jackknife over logs, (n−1)/n Σ (θ̂_(−log) − mean)², where there are three or more (one Newton step each).
    """

    def __init__(self, fit: OutputError, optimum: Optimum, residuals: Sequence[Array]) -> None:
        """residuals: (K, nres) of every log, NaN where there are none."""
        prior = np.diag(1 / fit.scale**2)
        scale = fit.scale
        self._inverse = scale[:, None] * np.linalg.inv(scale[:, None] * (optimum.information + prior) * scale) * scale
        self._from_prior = np.einsum("ij,j,ij->i", self._inverse, np.diag(prior), self._inverse)
        count = len(optimum.scores)
        candidates = [self._inverse]
        freedom = np.inf
        if count >= FEW_WINDOWS:
            lag = max(round(count ** (1 / 3)), 2 * (optimum.windows.overlap - 1))
            meat = _long_run(optimum.scores, [w.log for w in optimum.windows.windows], lag) * count / (count - 1) + prior
            candidates.append(self._inverse @ meat @ self._inverse)
            freedom = max(count / (1 + lag) - 1, 3.0)
        else:
            candidates.append(self._inverse * max((_autocorrelation_time(r) for r in residuals), default=1.0))
        jackknifed = self._jackknife(optimum)
        if jackknifed is not None:
            candidates.append(jackknifed)
        largest = np.max([np.diag(c) for c in candidates], axis=0)
        std = np.sqrt(np.maximum(np.diag(candidates[1]), 1e-300))
        self.correlation = _symmetric(candidates[1] / np.outer(std, std))
        self.std = np.sqrt(largest)
        self.matrix = _symmetric(self.correlation * np.outer(self.std, self.std))
        self.factor = float(stdtrit(freedom, (1 + _CONFIDENCE) / 2)) if np.isfinite(freedom) else 1.96

    def resampled(self, replicates: Bootstrap) -> Covariance:
        """The same with the spread of estimates from windows drawn anew, and what the prior adds, which is never drawn anew."""
        result = copy.copy(self)
        result.std = np.sqrt(replicates.variance + self._from_prior)
        result.factor = float(stdtrit(replicates.freedom, (1 + _CONFIDENCE) / 2))
        return result._with_matrix()

    def considering(self, shifts: Array) -> Covariance:
        """The same with what (n, nθ) standard deviations of parameters that are not fitted do to those that are."""
        result = copy.copy(self)
        result.std = np.sqrt(self.std**2 + np.sum(shifts**2, axis=0))
        return result._with_matrix()

    def widened(self, std: Array) -> Covariance:
        """The same where `std` (nθ,) is smaller, else with that."""
        result = copy.copy(self)
        result.std = np.maximum(self.std, std)
        return result._with_matrix()

    def _with_matrix(self) -> Covariance:
        self.matrix = _symmetric(self.correlation * np.outer(self.std, self.std))
        return self

    def _jackknife(self, optimum: Optimum) -> Array | None:
        logs = np.array([w.log for w in optimum.windows.windows])
        numbers = np.unique(logs)
        if len(numbers) < 3:
            return None
        left_out = np.array([self._inverse @ optimum.scores[logs == n].sum(axis=0) for n in numbers])
        off = left_out - left_out.mean(axis=0)
        return np.asarray((len(numbers) - 1) / len(numbers) * off.T @ off)


def _long_run(scores: Array, logs: Sequence[int], lag: int) -> Array:
    """Σ_l w_l Σ_j (s_j s_{j+l}ᵀ + its transpose), windows of different logs apart."""
    centred = scores - scores.mean(axis=0)
    total = centred.T @ centred
    same = np.asarray(logs)
    for step in range(1, lag + 1):
        both = same[step:] == same[:-step]
        product = centred[:-step][both].T @ centred[step:][both]
        total = total + (1 - step / (lag + 1)) * (product + product.T)
    return np.asarray(total)


def _autocorrelation_time(residuals: Array) -> float:
    """1 + 2 Σ ρ_k, the largest of all columns, summed until the correlation first falls below 0.05."""
    longest = 1.0
    for column in residuals.T:
        r = column[np.isfinite(column)]
        if len(r) < 20 or not r.any():
            continue
        r = r - r.mean()
        size = 1 << (2 * len(r) - 1).bit_length()
        spectrum = np.abs(np.fft.rfft(r, size)) ** 2
        rho = np.fft.irfft(spectrum, size)[: len(r) // 2]
        rho = rho / rho[0]
        end = int(np.argmax(rho < 0.05)) or len(rho)
        longest = max(longest, 1 + 2 * float(rho[1:end].sum()))
    return longest


def _symmetric(matrix: Array) -> Array:
    return np.asarray((matrix + matrix.T) / 2)
