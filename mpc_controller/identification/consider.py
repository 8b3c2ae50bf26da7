"""Parameters that are not fitted and not known well either: what their errors do to those that are fitted."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.output_error import Optimum, OutputError, OutputErrorOptions
from mpc_controller.model.parameters import Parameter, Parameters

_ITERATIONS = 8  # from an estimate to one beside it


def considered(fit: OutputError, optimum: Optimum, logs: Sequence[Log], options: OutputErrorOptions) -> Array:
    """(considered, nθ): how the estimate moves when a held parameter with a `std` is off by that much; one fit each.

    To first order θ̂ − θ = Σ_c (∂θ̂/∂c)(c − c*) + noise, so that their squares add to the variance. Source: Tapley, Schutz, Born,
    "Statistical Orbit Determination", 2004, ch. 6 (consider covariance analysis).
    """
    table = fit.structure.dynamics.parameters
    near = replace(options, iterations=_ITERATIONS, reweighted=False)
    shifts = [
        _with_value(fit, table, p).fit(logs, near, optimum.theta, optimum.std).theta - optimum.theta
        for p in (table[name] for name in fit.unknowns.held)
        if p.std
    ]
    return np.array(shifts).reshape(-1, len(optimum.theta))


def _with_value(fit: OutputError, table: Parameters, parameter: Parameter) -> OutputError:
    """The same fit where the parameter is a standard deviation lower, or higher where its bound is in the way."""
    assert parameter.std is not None
    lower = parameter.value - parameter.std
    value = lower if lower >= parameter.lower else min(parameter.value + parameter.std, parameter.upper)
    moved = copy.copy(fit)
    dynamics = copy.copy(fit.structure.dynamics)
    dynamics.parameters = table.with_values({parameter.name: value})
    moved.structure = replace(fit.structure, dynamics=dynamics)
    return moved
