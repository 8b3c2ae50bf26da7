"""Whether what the disturbance has to make up for stays, and has the shape of a parameter: then that parameter has changed."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from mpc_controller.arrays import Array

_WINDOW_S = 1.0
_CONTRADICTED = 4.0  # standard deviations: by chance once in 16000 windows


@final
class PersistenceTest:
    """A score test. The disturbance d (nd,) is taken for noise of density σ (nd,), its walk times its time constant.

    Its average over a window of T, d̄' = (d − d̄)/T, then has the standard deviation σ/√(2T), and along the slope e (nd,) of a
    parameter

        z = Σ (eᵢ/σᵢ)(d̄ᵢ/σᵢ) √(2T) / √(Σ (eᵢ/σᵢ)²)      is of standard deviation 1.
    """

    def __init__(self, density: Array) -> None:
        self._density = density
        self.reset()

    def reset(self) -> None:
        self._mean = np.zeros(len(self._density))
        self._age_s = 0.0

    def update(self, disturbance: Array, slope: Array, dt: float) -> Array:
        """By how much each parameter seems to have changed (n,), after a whole window; 0 for those that are not contradicted.

        slope (nd, n): of the disturbed derivatives by the parameters.
        """
        self._mean -= math.expm1(-dt / _WINDOW_S) * (disturbance - self._mean)
        self._age_s += dt
        shape = slope / self._density[:, None]
        squared = np.maximum(np.sum(shape**2, axis=0), 1e-300)
        change = (self._mean / self._density) @ shape / squared
        is_contradicted = np.abs(change) * np.sqrt(squared * 2 * _WINDOW_S) > _CONTRADICTED
        if self._age_s < _WINDOW_S or not is_contradicted.any():
            return np.zeros(slope.shape[1])
        self._age_s = 0.0
        return np.where(is_contradicted, np.abs(change), 0.0)
