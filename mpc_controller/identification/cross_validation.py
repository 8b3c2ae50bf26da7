"""Every log predicted by a fit to the others: what the intervals and the errors of prediction are worth on a new recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import CrossValidation
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.output_error import Optimum, OutputError, OutputErrorOptions
from mpc_controller.identification.parallel import Workers
from mpc_controller.identification.prediction import Predictions
from mpc_controller.identification.repeated_fits import RepeatedFit


def cross_validate(
    fit: OutputError,
    optimum: Optimum,
    logs: Sequence[Log],
    options: OutputErrorOptions,
    workers: Workers,
    progress: Callable[[str], None] = lambda line: None,
) -> CrossValidation:
    """Fits to all logs but one, from the values of all, and their predictions of that one."""
    check_logs(logs)
    options = replace(options, threads=1)
    shared = RepeatedFit(fit.structure, fit.unknowns.delay, logs, options, theta=optimum.theta, std=optimum.std)
    numbers = list(range(len(logs)))
    found = workers.map(_without_one, shared, numbers, lambda line: progress(f"cross-validation: {line}"))
    names = tuple(log.name for log in logs)
    return CrossValidation(names, tuple(error for _, error in found), np.array([theta for theta, _ in found]))


def check_logs(logs: Sequence[Log]) -> None:
    """Raises IdentificationError where no log can be left out."""
    if len(logs) < 2:
        raise IdentificationError(f"cross-validation leaves out one log at a time and needs two or more; there is {len(logs)}")


def _without_one(shared: RepeatedFit, number: int) -> tuple[Array, Array]:
    """θ (nθ,) without a log, and the error (steps, signals) with which it predicts that log."""
    others = [log for k, log in enumerate(shared.logs) if k != number]
    theta = shared.fit.fit(others, shared.options, shared.theta, shared.std).theta
    return theta, Predictions(shared.fit, theta).horizon_error(shared.logs[number])
