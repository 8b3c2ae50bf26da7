"""What a model's predictions rest on: how much worse they are without each of its effects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.output_error import OutputError
from mpc_controller.identification.prediction import Predictions
from mpc_controller.identification.report.digits import shown
from mpc_controller.model.parameters import Parameter

_MATTERS = 1.25  # times the error from which on an effect is worth a sentence
_MOST = 5
_FRICTION = ("friction", "drag", "damping")


def effects_in_words(fit: OutputError, theta: Array, logs: Sequence[Log]) -> list[str]:
    """One sentence on the effects without which the error at the end of the horizon grows most, in their order.

    Effects are the parameters that are a friction or a drag by their description, and those that are nominally 0. The others
    stay as they were fitted, so a parameter that could take another's part counts in full.
    """
    names = fit.unknowns.parameters
    optional = [k for k, p in enumerate(fit.unknowns.table[: len(names)]) if theta[k] != 0 and _may_be_absent(p)]
    if not optional:
        return []
    own = _error(fit, theta, logs)
    ratios = {}
    for k in optional:
        without = theta.copy()
        without[k] = 0.0
        ratios[names[k]] = float(np.nanmax(_error(fit, without, logs) / own))
    ranked = sorted((name for name in ratios if ratios[name] >= _MATTERS), key=lambda name: -ratios[name])
    if not ranked:
        return ["no friction, drag or the like matters: without any one of them the error grows by less than a quarter"]
    listed = ", ".join(f"{name} ×{shown(ratios[name], 2)}" for name in ranked[:_MOST])
    return [f"of frictions, drags and the like {ranked[0]} matters most; error at the horizon without it or others: {listed}"]


def _may_be_absent(parameter: Parameter) -> bool:
    is_friction = any(word in parameter.description.lower() for word in _FRICTION)
    return parameter.lower <= 0 <= parameter.upper and (is_friction or parameter.value == 0)


def _error(fit: OutputError, theta: Array, logs: Sequence[Log]) -> Array:
    """(signals,) at the end of the horizon, mean over logs."""
    predictions = Predictions(fit, theta)
    return np.asarray(np.nanmean([predictions.horizon_error(log)[-1] for log in logs], axis=0))
