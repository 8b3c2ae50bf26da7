"""From logs to parameters: the methods in their order, intervals, and predictions that judge them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.control.command_delay import PROVENANCE
from mpc_controller.identification.bootstrap import bootstrap
from mpc_controller.identification.consider import considered
from mpc_controller.identification.cross_validation import check_logs, cross_validate
from mpc_controller.identification.fit import Estimated, Fit, Identification, LogPrediction, Standing
from mpc_controller.identification.identifiability import information_of, sizes, standing, unseen_in_words, unseen_shares
from mpc_controller.identification.importance import effects_in_words
from mpc_controller.identification.inverse_dynamics.least_squares import LeastSquaresOptions, least_squares
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from mpc_controller.identification.multi_start import first_guesses, multi_start
from mpc_controller.identification.output_error import Optimum, OutputError, OutputErrorOptions
from mpc_controller.identification.parallel import LocalWorkers, Workers
from mpc_controller.identification.prediction import Predictions
from mpc_controller.identification.sensitivity import DELAY
from mpc_controller.identification.uncertainty import FEW_WINDOWS, Covariance
from mpc_controller.model.parameters import Parameters

METHODS = ("auto", "least-squares", "output-error")
# Other lengths of the windows, relative to the one of the fit, whose estimates say how much the length matters.
_OTHER_LENGTHS = (0.5, 2.0)
_FIRST_LENGTH = 0.25  # of the horizon: short windows bring a bad first guess near, long ones decide


@final
@dataclass(frozen=True)
class IdentifyOptions:
    """method: one of METHODS; `auto` takes least squares for the first guess and output error for the rest. compares_lengths:
    fit windows of half and twice the length, too, and let intervals cover what differs. starts: first guesses, the best of
    which counts. bootstrap: fits on windows drawn anew, whose spread makes the intervals (0: the residuals do).
    cross_validates: predict every log by a fit to the others, and let intervals cover how these differ."""

    method: str = "auto"
    output_error: OutputErrorOptions = field(default_factory=OutputErrorOptions)
    least_squares: LeastSquaresOptions = field(default_factory=LeastSquaresOptions)
    compares_lengths: bool = True
    starts: int = 1
    bootstrap: int = 0
    cross_validates: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise IdentificationError(f"no method '{self.method}'; there are {', '.join(METHODS)}")
        if self.method == "least-squares" and (self.starts > 1 or self.bootstrap or self.cross_validates):
            raise IdentificationError(
                "several starts, bootstrap and cross-validation repeat the output error; with least-squares there is none"
            )


def identify(
    structure: ModelStructure,
    logs: Sequence[Log],
    validation: Sequence[Log] = (),
    options: IdentifyOptions | None = None,
    progress: Callable[[str], None] = lambda line: None,
    workers: Workers | None = None,
) -> Identification:
    """Fit the structure's parameters to `logs`, and judge them by `validation`. `workers` do repeated fits (None: all cores).

    Raises IdentificationError, CompilerError.
    """
    options = options or IdentifyOptions()
    if not logs:
        raise IdentificationError(f"{structure.name}: no log to fit to")
    if not structure.estimated:
        raise IdentificationError(f"{structure.name}: all parameters are fixed; there is nothing to fit")
    if options.cross_validates:
        check_logs(logs)
    fit = OutputError(structure, progress)
    earlier: list[Fit] = []
    passed_over: list[str] = []
    if options.method != "output-error":
        progress("least squares on the equations of motion")
        try:
            earlier.append(least_squares(structure, logs, options.least_squares, progress))
        except IdentificationError as error:
            if options.method == "least-squares":
                raise
            passed_over.append(f"without least squares: {error}")
    if options.method == "least-squares":
        chosen, lengths, by_length = earlier.pop(), np.zeros(0), np.zeros((0, 0))
    else:
        start = fit.theta_of(earlier[-1].parameters) if earlier else None
        chosen, lengths, by_length = output_error(fit, logs, options, start, progress, workers)
    progress("predicting")
    theta = _theta_of(fit, chosen)
    both: list[tuple[LogPrediction, ...]] = []
    for values in (fit.nominal, theta):
        predictions = Predictions(fit, values)
        every = [(log, "fitted") for log in logs] + [(log, "validation") for log in validation]
        both.append(tuple(predictions.of(log, role, chosen.signal_std, options.output_error.threads) for log, role in every))
    notes = (*passed_over, *effects_in_words(fit, theta, logs))
    notes += tuple(f"{log.name}: {note}" for log in (*logs, *validation) for note in log.notes)
    result = Identification(chosen, tuple(earlier), both[0], both[1], lengths, by_length, notes)
    return replace(result, fit=replace(chosen, parameters=_with_provenance(chosen, result, logs, validation)))


def output_error(
    fit: OutputError,
    logs: Sequence[Log],
    options: IdentifyOptions,
    start: Array | None = None,
    progress: Callable[[str], None] = lambda line: None,
    workers: Workers | None = None,
) -> tuple[Fit, Array, Array]:
    """The fit with its intervals, from θ `start`; window lengths [s] and what each gives (lengths, nθ)."""
    own = options.output_error
    window_s = own.window_s or fit.structure.horizon_s
    notes: tuple[str, ...] = ()
    workers = workers or LocalWorkers(own.threads)
    if options.starts > 1:
        guesses = first_guesses(fit, options.starts, () if start is None else (start,))
        starts = multi_start(fit, logs, own, _short(fit, logs, own, window_s), guesses, workers, progress)
        first, notes = starts.best.theta, (starts.note,)
    else:
        first = _best_start(fit, logs, own, start, window_s, progress)
    progress(f"output error over windows of {window_s:g} s")
    optimum = fit.fit(logs, own, first, progress=progress)
    lengths, thetas = [window_s], [optimum.theta]
    if options.compares_lengths:
        longest_s = max(log.times[b - 1] - log.times[a] for log in logs for a, b in log.pieces)
        for factor in _OTHER_LENGTHS:
            if factor * window_s > longest_s:
                continue
            progress(f"output error over windows of {factor * window_s:g} s")
            other = fit.fit(logs, replace(own, window_s=factor * window_s), optimum.theta, optimum.std, progress)
            lengths.append(factor * window_s)
            thetas.append(other.theta)
    order = np.argsort(lengths)
    spread = np.abs(np.array(thetas) - optimum.theta).max(axis=0)
    residuals = [Predictions(fit, optimum.theta).residuals(log, optimum.std, own.threads) for log in logs]
    covariance, validated = Covariance(fit, optimum, residuals), None
    if options.bootstrap and len(optimum.scores) < FEW_WINDOWS:
        notes += (f"no bootstrap: {len(optimum.scores)} windows are too few to draw from; intervals come from the residuals",)
    elif options.bootstrap:
        covariance = covariance.resampled(bootstrap(fit, optimum, logs, own, options.bootstrap, workers, progress))
    if options.cross_validates:
        validated = cross_validate(fit, optimum, logs, own, workers, progress)
        covariance = covariance.widened(validated.std)
    covariance = covariance.considering(considered(fit, optimum, logs, own))
    found = _fit_of(fit, optimum, covariance, spread)
    found = replace(found, notes=found.notes + notes, cross_validation=validated)
    return found, np.array(lengths)[order], np.array(thetas)[order]


def _short(fit: OutputError, logs: Sequence[Log], own: OutputErrorOptions, window_s: float) -> OutputErrorOptions:
    """Windows short enough for a bad first guess."""
    period = float(np.median([log.period_s for log in logs]))
    short_s = max(_FIRST_LENGTH * min(window_s, fit.structure.horizon_s), 5 * period)
    return replace(own, window_s=short_s, interval_s=None, reweighted=False, iterations=30)


def _best_start(
    fit: OutputError,
    logs: Sequence[Log],
    own: OutputErrorOptions,
    start: Array | None,
    window_s: float,
    progress: Callable[[str], None],
) -> Array:
    """The better of what short windows find from the nominal values and from least squares."""
    short = _short(fit, logs, own, window_s)
    found = []
    for guess in (fit.nominal,) if start is None else (start, fit.nominal):
        progress(f"output error over windows of {short.window_s:g} s")
        found.append(fit.fit(logs, short, guess, progress=progress))
    return min(found, key=lambda optimum: optimum.cost).theta


def _fit_of(fit: OutputError, optimum: Optimum, covariance: Covariance, spread: Array) -> Fit:
    structure, table, theta = fit.structure, fit.unknowns.table, optimum.theta
    size = sizes(table, fit.scale, theta)
    statistical = covariance.factor * covariance.std
    half_width = np.hypot(statistical, spread)
    known = np.diag([1 / p.std**2 if p.std else 0.0 for p in table])
    information = information_of(table, optimum.information + known, size, covariance.correlation)
    unseen = unseen_shares(information)
    estimated = tuple(
        Estimated(
            p.name,
            p.unit,
            p.value,
            float(theta[k]),
            float(half_width[k]),
            standing(p, float(theta[k]), float(half_width[k] / covariance.factor), size[k], unseen[k]),
            float(statistical[k]),
            float(spread[k]),
        )
        for k, p in enumerate(table)
    )
    notes = unseen_in_words(information, table)
    notes += [
        f"{e.name} ended at its bound, {e.value:g} {e.unit}".rstrip() for e in estimated if e.standing is Standing.AT_BOUND
    ]
    if not optimum.converged:
        notes.append(f"not converged after {optimum.iterations} iterations; the values may still move")
    biases, lags = np.zeros(fit.library.nres), np.zeros(fit.library.nres)
    for values, names, first in ((biases, structure.biased, "bias."), (lags, structure.lagged, "lag.")):
        for name in names:
            at = structure.dynamics.manifold.tangent_indices([structure.dynamics.state_names.index(name)])[0]
            values[structure.tangent_indices.index(at)] = theta[fit.unknowns.names.index(first + name)]
    std = half_width / covariance.factor
    return Fit(
        method="output error",
        structure=structure,
        parameters=_parameters(structure, fit.unknowns.parameters, theta, covariance.correlation, std),
        estimated=estimated,
        information=information,
        control_delay_s=fit.delay_of(theta),
        biases=biases,
        lags=lags,
        signal_std=optimum.std,
        iterations=optimum.iterations,
        converged=optimum.converged,
        seconds=optimum.seconds,
        notes=tuple(notes),
    )


def _parameters(structure: ModelStructure, names: Sequence[str], theta: Array, correlation: Array, std: Array) -> Parameters:
    """The model's parameters with what was found, standard deviations and covariance."""
    nominal = structure.dynamics.parameters
    where = [nominal.index(name) for name in names]
    found = dict(zip(names, range(len(names)), strict=True))
    table = tuple(
        replace(
            p, value=float(np.clip(theta[found[p.name]], p.lower, p.upper)), std=float(std[found[p.name]]), source="identified"
        )
        if p.name in found
        else p
        for p in nominal
    )
    n = len(names)
    covariance = np.zeros((len(nominal), len(nominal)))
    covariance[np.ix_(where, where)] = correlation[:n, :n] * np.outer(std[:n], std[:n])
    return Parameters(table, (covariance + covariance.T) / 2, nominal.provenance)


def _theta_of(fit: OutputError, chosen: Fit) -> Array:
    """θ of a fit by any method."""
    theta = fit.theta_of(chosen.parameters, chosen.control_delay_s)
    for k, name in enumerate(fit.unknowns.names):
        for entry in chosen.estimated:
            if entry.name == name:
                theta[k] = entry.value
    return theta


def _with_provenance(fit: Fit, result: Identification, logs: Sequence[Log], validation: Sequence[Log]) -> Parameters:
    """Who made the values: method, date, files with their hashes, and how well they predict."""
    signals = fit.structure.signals
    files = {
        role: [f"{log.path.name if log.path else log.name} sha256:{log.digest}" for log in some]
        for role, some in (("logs", logs), ("validation_logs", validation))
    }
    error = {
        f"{kind}_{signal.name}": _mean([float(p.error[-1, k]) for p in some if len(p.error)])
        for kind, some in (("nominal", result.nominal_predictions), ("fitted", result.predictions))
        for k, signal in enumerate(signals)
    }
    others = {e.name: e.value for e in fit.estimated if e.name not in fit.parameters and e.name != DELAY}
    provenance: dict[str, Any] = {
        "method": fit.method,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "model": fit.structure.name,
        **files,
        "horizon_s": fit.structure.horizon_s,
        "error_at_horizon": {name: value for name, value in error.items() if np.isfinite(value)},
        "notes": list(fit.notes),
    }
    if fit.control_delay_s > 0:
        provenance[PROVENANCE] = fit.control_delay_s
    if others:
        provenance["sensors"] = others
    return replace(fit.parameters, provenance=provenance)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
