"""Least squares on a model's equations of motion: the first answer, in milliseconds, from any first guess."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.filtering import Filtering
from mpc_controller.identification.fit import Estimated, Fit, Information, Standing
from mpc_controller.identification.identifiability import information_of, sizes, standing, unseen_in_words, unseen_shares
from mpc_controller.identification.inverse_dynamics.autocorrelation import LongRun, long_run
from mpc_controller.identification.inverse_dynamics.bounded import bounded_minimum
from mpc_controller.identification.inverse_dynamics.equations import Equations
from mpc_controller.identification.inverse_dynamics.robust import check_loss, spread, weights
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from mpc_controller.model.parameters import Parameter, Parameters

METHOD = "least squares"
_RIDGE = 1e-10  # of a parameter's own information
_EXACT = 1e-9
_TRIALS = 12  # halvings of one step
_CHANGE = 1e-8  # of a step, in the parameters' scales, that is no step any more
_VAGUE = 1000.0  # scales: the spread of what nothing is known of


@final
@dataclass(frozen=True)
class LeastSquaresOptions:
    """loss: `squares`, or robust `huber` and `bisquare`. iterations: at most so many, of weights and of Gauss-Newton."""

    filtering: Filtering = field(default_factory=Filtering)
    loss: str = "squares"
    iterations: int = 50

    def __post_init__(self) -> None:
        check_loss(self.loss)
        if self.iterations < 1:
            raise IdentificationError(f"least squares: iterations is {self.iterations}; it must be at least 1")


def least_squares(
    structure: ModelStructure,
    logs: Sequence[Log],
    options: LeastSquaresOptions | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Fit:
    """p̂ = argmin Σ ρ(e_i(x, ẋ, u, p) / s_i) / κ + ½ ‖(p − p₀) / σ₀‖² within bounds; s_i: the spread of an equation's errors.

    Gauss-Newton; one step where e is affine in p. κ ≥ 1 counts how many successive samples say the same (autocorrelation of
    the errors), and 95 % intervals come from the sandwich of information and long-run covariance. Delays, biases and lags are
    not looked for; Fit.signal_std is the structure's measurement_std, as errors of equations say nothing of it.
    """
    return LeastSquares(structure, options, report).fit(logs)


@final
class LeastSquares:
    """The same, for several fits of one structure: what is slow is in the constructor."""

    def __init__(
        self,
        structure: ModelStructure,
        options: LeastSquaresOptions | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        if not structure.estimated:
            raise IdentificationError(f"{structure.name}: every parameter is fixed; there is nothing to fit")
        self._structure, self._options = structure, options or LeastSquaresOptions()
        self._equations = Equations(structure, self._options.filtering, report)
        self._table = [structure.dynamics.parameters[name] for name in structure.estimated]
        self._scale = np.array([_scale(p) for p in self._table])
        self._precision = np.array([1 / p.std**2 if p.std else 0.0 for p in self._table])

    @property
    def equations(self) -> tuple[str, ...]:
        return self._equations.names

    def fit(self, logs: Sequence[Log]) -> Fit:
        begun = time.monotonic()
        regression = _Regression(self._equations, logs, self._structure.dynamics.parameters.values)
        state, iterations, converged = self._descend(regression)
        outcome = self._judged(state)
        notes = (*unseen_in_words(outcome.information, self._table), *_bound_notes(outcome.estimated), *self._quality(state))
        parameters = self._parameters(state.theta, outcome.covariance, logs)
        tangent = len(self._structure.tangent_indices)
        return Fit(
            METHOD,
            self._structure,
            parameters,
            outcome.estimated,
            outcome.information,
            0.0,
            np.zeros(tangent),
            np.zeros(tangent),
            self._structure.measurement_std.copy(),
            iterations,
            converged,
            time.monotonic() - begun,
            notes,
        )

    def relative_errors(self, logs: Sequence[Log], parameters: Parameters) -> Array:
        """(ne,): of each equation, the error's root mean square over that of the controls in it; NaN without controls."""
        regression = _Regression(self._equations, logs, parameters.values)
        return _relative(regression.at(parameters.values[self._equations.columns]))

    def _descend(self, regression: _Regression) -> tuple[_State, int, bool]:
        nominal = np.array([p.value for p in self._table])
        lower, upper = (np.array([getattr(p, side) for p in self._table]) for side in ("lower", "upper"))
        precision = self._precision
        state = regression.at(nominal)
        for iteration in range(1, self._options.iterations + 1):
            state = self._weighted(state)
            H, g = state.information / state.alike, state.gradient / state.alike
            H = H + np.diag(precision + self._ridge(H))
            g = g + precision * (state.theta - nominal)
            step = bounded_minimum(H, g, lower - state.theta, upper - state.theta)
            state, taken = self._step(regression, state, step, nominal, precision)
            if np.max(np.abs(taken) / self._scale) < _CHANGE:
                return self._weighted(state), iteration, True
        return self._weighted(state), self._options.iterations, False

    def _weighted(self, state: _State) -> _State:
        """The same errors with the weights that they give themselves."""
        # Errors below a billionth of what a parameter changes are none: nothing is known better than that.
        size = np.sqrt(np.mean([np.mean((J * self._scale) ** 2, axis=(0, 2)) for J in state.jacobians], axis=0))
        std = np.maximum(spread(np.concatenate(state.errors), self._options.loss), np.where(size > 0, _EXACT * size, 1.0))
        factors = [weights(self._options.loss, e / std) / std**2 for e in state.errors]
        information = sum(
            np.einsum("kip,ki,kiq->pq", J, w, J, optimize=True) for J, w in zip(state.jacobians, factors, strict=True)
        )
        scores = [np.einsum("kip,ki->kp", J, w * e) for J, w, e in zip(state.jacobians, factors, state.errors, strict=True)]
        return replace(
            state, std=std, weights=factors, information=np.asarray(information), scores=scores, long_run=long_run(scores)
        )

    def _step(
        self, regression: _Regression, state: _State, step: Array, nominal: Array, precision: Array
    ) -> tuple[_State, Array]:
        """Along the step as far as the cost of the present weights falls; all the way where errors are affine."""
        if self._equations.affine:
            return regression.moved(state, step), step

        def cost(trial: _State) -> float:
            squares = sum(float((w * e**2).sum()) for w, e in zip(state.weights, trial.errors, strict=True))
            return squares / state.alike + float((precision * (trial.theta - nominal) ** 2).sum())

        present = cost(state)
        for _ in range(_TRIALS):
            trial = regression.at(state.theta + step)
            if cost(trial) <= present:
                return trial, step
            step = step / 2
        return state, np.zeros_like(step)

    def _ridge(self, H: Array) -> Array:
        """Too little to move what any datum sees; where none does, a parameter stays."""
        return np.where(np.diag(H) > 0, _RIDGE * np.diag(H), np.where(self._precision > 0, 0.0, 1 / self._scale**2))

    def _judged(self, state: _State) -> _Outcome:
        """Intervals and what the data see."""
        precision = self._precision
        data = state.information / state.alike
        inverse = np.linalg.inv(data + np.diag(precision + self._ridge(data)))
        covariance = inverse @ (state.long_run.covariance / state.alike**2 + np.diag(precision)) @ inverse
        deviations = np.sqrt(np.clip(np.diag(covariance), np.finfo(float).tiny, None))
        size = sizes(self._table, self._scale, state.theta)
        known = data + np.diag(precision)
        information = information_of(self._table, known, size, covariance / np.outer(deviations, deviations))
        shares = unseen_shares(information)
        standings = [
            standing(p, float(value), float(std), float(s), float(share))
            for p, value, std, s, share in zip(self._table, state.theta, deviations, size, shares, strict=True)
        ]
        # What the ridge holds still has no spread of its own, and must not look known.
        unseen = np.array([s is Standing.UNSEEN for s in standings])
        vague = np.diag(np.linalg.inv(known + np.diag(1 / (_VAGUE * self._scale) ** 2)))
        covariance[unseen, unseen] = np.maximum(covariance[unseen, unseen], vague[unseen])
        width = state.long_run.critical * np.where(unseen, np.nan, deviations)
        estimated = tuple(
            Estimated(p.name, p.unit, p.value, float(value), float(half), stands, float(half))
            for p, value, half, stands in zip(self._table, state.theta, width, standings, strict=True)
        )
        return _Outcome(estimated, information, covariance)

    def _parameters(self, theta: Array, covariance: Array, logs: Sequence[Log]) -> Parameters:
        given = self._structure.dynamics.parameters
        std = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
        table = list(given.table)
        for index, value, s in zip(self._equations.columns, theta, std, strict=True):
            table[index] = replace(table[index], value=float(value), std=float(s), source=METHOD)
        whole = np.zeros((len(table), len(table)))
        whole[np.ix_(self._equations.columns, self._equations.columns)] = (covariance + covariance.T) / 2
        files = {log.name: log.digest for log in logs}
        return Parameters(tuple(table), whole, {"method": METHOD, "files": files})

    def _quality(self, state: _State) -> list[str]:
        units = dict(zip(self._structure.dynamics.control_names, self._structure.dynamics.control_units, strict=True))
        return [
            f"relative {name} error {100 * share:.2f} % ({std:.3g} {units.get(name, '')}".rstrip() + " root mean square)"
            if np.isfinite(share)
            else f"{name}: error of {std:.3g} root mean square"
            for name, std, share in zip(self.equations, state.std, _relative(state), strict=True)
        ]


@final
@dataclass(frozen=True)
class _State:
    """Errors at θ (np,): per piece e (k, ne) and ∂e/∂θ (k, ne, np), the controls' part of e, and what weights make of them."""

    theta: Array
    errors: list[Array]
    jacobians: list[Array]
    driven: list[Array]
    std: Array = field(default_factory=lambda: np.zeros(0))
    weights: list[Array] = field(default_factory=list)
    information: Array = field(default_factory=lambda: np.zeros((0, 0)))
    scores: list[Array] = field(default_factory=list)
    long_run: LongRun = field(default_factory=lambda: LongRun(np.zeros((0, 0)), 1.96))

    @property
    def gradient(self) -> Array:
        return np.asarray(sum(s.sum(axis=0) for s in self.scores))

    @property
    def alike(self) -> float:
        """κ: the covariance of the gradient over what it would be if errors were independent, at least 1."""
        independent = sum(s.T @ s for s in self.scores)
        diagonal = np.diag(independent)
        seen = diagonal > 0
        return max(1.0, float(np.mean(np.diag(self.long_run.covariance)[seen] / diagonal[seen]))) if seen.any() else 1.0


@final
@dataclass(frozen=True)
class _Outcome:
    estimated: tuple[Estimated, ...]
    information: Information
    covariance: Array


@final
class _Regression:
    """The equations on the motions of some logs, at any values of the estimated parameters."""

    def __init__(self, equations: Equations, logs: Sequence[Log], values: Array) -> None:
        self._equations, self._values = equations, values
        self._motions = equations.read(logs)

    def at(self, theta: Array) -> _State:
        p = self._values.copy()
        p[self._equations.columns] = theta
        errors, jacobians, driven = zip(*(self._equations.evaluate(motion, p) for motion in self._motions), strict=True)
        return _State(theta, list(errors), list(jacobians), list(driven))

    def moved(self, state: _State, step: Array) -> _State:
        """Where errors are affine: no new evaluation."""
        errors = [e + J @ step for e, J in zip(state.errors, state.jacobians, strict=True)]
        return replace(state, theta=state.theta + step, errors=errors)


def _scale(p: Parameter) -> float:
    """What counts as a change of a parameter: its prior's width, its own size, or a tenth of its range."""
    if p.std:
        return p.std
    if p.value != 0:
        return abs(p.value)
    width = p.upper - p.lower
    return width / 10 if np.isfinite(width) and width > 0 else 1.0


def _relative(state: _State) -> Array:
    errors, driven = (np.sqrt(np.mean(np.concatenate(rows) ** 2, axis=0)) for rows in (state.errors, state.driven))
    return np.where(driven > 0, errors / np.where(driven > 0, driven, 1.0), np.nan)


def _bound_notes(estimated: Sequence[Estimated]) -> list[str]:
    return [f"{e.name} ends at its bound, {e.value:g} {e.unit}" for e in estimated if e.standing is Standing.AT_BOUND]
