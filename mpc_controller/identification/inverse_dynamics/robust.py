"""Losses that outliers pull less at than squares do, as weights of iteratively reweighted least squares."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import IdentificationError

# Tuning constants of 95 % efficiency on Gaussian errors. Source: Huber, Ronchetti, "Robust statistics", 2nd ed., 2009.
_HUBER, _BISQUARE = 1.345, 4.685


def _huber(r: Array) -> Array:
    return _HUBER / np.maximum(np.abs(r), _HUBER)


def _bisquare(r: Array) -> Array:
    return np.clip(1 - (r / _BISQUARE) ** 2, 0.0, None) ** 2


_LOSSES: Mapping[str, Callable[[Array], Array]] = {"squares": np.ones_like, "huber": _huber, "bisquare": _bisquare}


def weights(loss: str, relative: Array) -> Array:
    """ρ'(r)/r of errors in standard deviations: 1 where they count in full."""
    return np.asarray(_LOSSES[loss](relative))


def check_loss(loss: str) -> None:
    """IdentificationError for a loss that is not there."""
    if loss not in _LOSSES:
        raise IdentificationError(f"loss is '{loss}'; valid are {', '.join(_LOSSES)}")


def spread(errors: Array, loss: str) -> Array:
    """Standard deviation (n,) of the columns of errors (K, n): the root mean square, or for a robust loss from the median."""
    if loss == "squares":
        return np.asarray(np.sqrt(np.mean(errors**2, axis=0)))
    return np.asarray(1.4826 * np.median(np.abs(errors), axis=0))
