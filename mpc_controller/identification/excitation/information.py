"""What an experiment will tell of the parameters, before it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.excitation.flight import Flight
from mpc_controller.identification.fit import Information, Standing
from mpc_controller.identification.identifiability import (
    information_of,
    seen,
    sizes,
    unseen_in_words,
    unseen_shares,
)
from mpc_controller.identification.model_structure import structure_of
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.robot import Robot

_TWO_SIDED_95 = 1.96


@final
@dataclass(frozen=True)
class Expected:
    """One parameter as a fit to the experiment will know it: 95 % interval ± half_width where the sensors' noise is white and
    all there is, and what the prior says."""

    name: str
    unit: str
    nominal: float
    half_width: float
    standing: Standing


@final
class PredictedInformation:
    """The information matrix of multi-step output error along a flight, initial states eliminated, by exact derivatives:

    F = Σ_windows (J_θᵀ R⁻¹ J_θ − J_θᵀ R⁻¹ J_s (J_sᵀ R⁻¹ J_s)⁻¹ J_sᵀ R⁻¹ J_θ),    R = diag(measurement_std²).
    """

    def __init__(self, robot: Robot, report: Callable[[str], None] = lambda line: None) -> None:
        self._robot = robot
        self._fit = OutputError(structure_of(robot), report)
        self.table = self._fit.unknowns.table
        self.size = sizes(self.table, self._fit.scale, self._fit.nominal)
        self.prior = np.diag((self.size / self._fit.scale) ** 2)

    def of(self, flight: Flight) -> Array:
        """(nθ, nθ), scaled by the parameters' sizes: its eigenvalues' inverse roots are relative standard deviations."""
        options = OutputErrorOptions(iterations=0, reweighted=False, threads=1)
        optimum = self._fit.fit([flight.log(self._robot)], options)
        return np.asarray(self.size[:, None] * optimum.information * self.size)

    def expected(self, scaled: Array) -> tuple[tuple[Expected, ...], Information, list[str]]:
        """Every parameter, the information taken apart, and in words what will not be seen."""
        covariance = np.linalg.inv(scaled + self.prior)
        std = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(std, std)
        known = np.diag([1 / p.std**2 if p.std else 0.0 for p in self.table])
        information = information_of(self.table, scaled / np.outer(self.size, self.size) + known, self.size, correlation)
        unseen = unseen_shares(information)
        rows = tuple(
            # Of a nominal value at its bound (no drag, no delay) nothing is wrong.
            Expected(p.name, p.unit, p.value, _TWO_SIDED_95 * s * size, seen(p, p.value, s * size, size, share))
            for p, s, size, share in zip(self.table, std, self.size, unseen, strict=True)
        )
        return rows, information, unseen_in_words(information, self.table)
