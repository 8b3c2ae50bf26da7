"""Inertias that bodies can have, friction that brakes, and CAD values where the data say nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.inverse_dynamics import inertial_parameters
from mpc_controller.identification.inverse_dynamics.condensed import combined
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import InertialFit, typical_sizes
from mpc_controller.identification.inverse_dynamics.inertial_parameters import BASIS, SIZE
from mpc_controller.identification.model_structure import IdentificationError

_ITERATIONS = 200
_DECREMENT = 1e-10  # of the cost, in a Newton step, below which there is nothing to gain
_EXACT = 1e-4
_THINNEST = 1e-6  # of the largest eigenvalue of a prior's pseudo-inertia, below which a body is given some thickness


@final
@dataclass(frozen=True)
class PhysicalPrior:
    """How far values may be from those of the model (CAD), relatively.

    inertia_std: of a body's pseudo-inertia in every direction. joint_std: of friction and armature that the model gives; for
    those that it gives as 0 there is no prior but the sign, and `offset` has none at all.
    """

    inertia_std: float = 0.3
    joint_std: float = 1.0

    def __post_init__(self) -> None:
        if not (self.inertia_std > 0 and self.joint_std > 0):
            given = f"inertia_std is {self.inertia_std:g} and joint_std {self.joint_std:g}"
            raise IdentificationError(f"prior: {given}; both must be above 0")


def physically_consistent(fit: InertialFit, prior: PhysicalPrior | None = None, fixed: Array | None = None) -> InertialFit:
    """θ̂ = argmin ½ Σ_j ‖Φ_j θ − τ_j‖² / (s_j² κ) + Σ_b D(J_b, J_b⁰) / σ² + Σ_f d(f, f⁰) / σ_f²

    over all bodies b and the friction and armature terms f. D(J, J⁰) = tr(J J⁰⁻¹) − log det(J J⁰⁻¹) − 4 is the log-det
    Bregman divergence (half the squared relative change near J⁰, and infinite where J stops being positive definite, so that
    every iterate is physical), and d the same of one number. J is linear in θ, so the problem is convex and Newton's method
    finds its one answer from the prior. Where `fixed` (10 bodies,) is known to be fixed to the bodies, such as a hand, J_b is
    of the body without it: what is left must be a body, too. s and κ are those of `fit`, whose data it works on condensed: the
    number of samples does not matter. It is the problem that Rucker, Wensing, "Smooth parameterization of rigid-body inertia",
    2022, solve in log-Cholesky coordinates, which make every point physical but the cost no longer convex. Sources: Lee,
    Wensing, Park, "Geometric robot dynamic identification: a convex programming approach", 2020; Wensing, Kim, Slotine 2018.
    """
    begun = time.monotonic()
    problem = _Problem(fit, prior or PhysicalPrior(), fixed)
    theta, iterations, converged = problem.minimum()
    squares = np.array([part.squares(theta) / part.count for part in fit.condensed])
    powers = np.sqrt([part.c / part.count for part in fit.condensed])
    covariance = np.asarray(np.linalg.inv(problem.hessian(theta)), dtype=float)
    matrix = fit.base.matrix
    half_width = 1.96 * np.sqrt(np.diag(matrix @ covariance @ matrix.T))
    notes = list(problem.notes)
    if not converged:
        notes.append(f"physical consistency: not converged after {iterations} iterations")
    return replace(
        fit,
        method="physically consistent least squares",
        values=theta,
        base_values=matrix @ theta,
        base_half_width=half_width,
        torque_std=np.sqrt(squares),
        relative_error=np.sqrt(squares) / np.where(powers > 0, powers, np.nan),
        unphysical=(),
        half_width=1.96 * np.sqrt(np.diag(covariance)),
        covariance=covariance,
        prior_covariance=problem.prior_covariance(),
        seconds=time.monotonic() - begun,
        notes=(*(n for n in fit.notes if "no mass distribution" not in n), *notes),
    )


@final
class _Problem:
    """The convex cost with its derivatives."""

    def __init__(self, fit: InertialFit, prior: PhysicalPrior, fixed: Array | None) -> None:
        regressor = fit.regressor
        self.notes: list[str] = []
        self._bodies = len(regressor.model.joints)
        # Torques are not known better than to a ten-thousandth, whatever a simulation leaves over.
        powers = np.sqrt([part.c / part.count for part in fit.condensed])
        H, g = combined(fit.condensed, np.maximum(fit.torque_std, _EXACT * powers + 1e-12))
        self._H, self._g = H / fit.alike, g / fit.alike
        self._weight = 1 / prior.inertia_std**2
        self._fixed = np.zeros((self._bodies, SIZE)) if fixed is None else fixed.reshape(-1, SIZE)
        sizes = typical_sizes(regressor)
        self._start = regressor.nominal.copy()
        for i in range(self._bodies):
            place = slice(SIZE * i, SIZE * (i + 1))
            own = regressor.nominal[place] - self._fixed[i]
            self._start[place] = self._thick(own, regressor.model.joints[i].name) + self._fixed[i]
        self._inverse_priors = np.linalg.inv(self._pseudo(self._start))
        self._positive = np.flatnonzero(regressor.nonnegative)
        known = regressor.nominal[self._positive] > 0
        self._start[self._positive] = np.where(known, regressor.nominal[self._positive], 0.1 * sizes[self._positive])
        # Where the model gives 0, only the sign is known: a barrier so weak that it moves nothing that the data see.
        self._joint_weight = np.where(known, 1 / prior.joint_std**2, 1e-3)
        self._joint_slope = np.where(known, 1 / self._start[self._positive], 0.0)
        self._ridge = 1e-12 * np.maximum(np.diag(self._H), 1e-6 / sizes**2)

    def minimum(self) -> tuple[Array, int, bool]:
        """Newton's method with backtracking, from the prior."""
        theta = self._start.copy()
        cost = self._cost(theta)
        for iteration in range(1, _ITERATIONS + 1):
            gradient, hessian = self._gradient(theta), self.hessian(theta)
            scale = 1 / np.sqrt(np.diag(hessian))
            step = -scale * np.linalg.solve(hessian * np.outer(scale, scale), scale * gradient)
            decrement = float(-gradient @ step)
            if decrement < _DECREMENT * max(1.0, abs(cost)):
                return theta, iteration, True
            length = 1.0
            while (trial := self._cost(theta + length * step)) > cost - 0.25 * length * decrement and length > 1e-10:
                length /= 2
            if length <= 1e-10:  # rounding is all that is left
                return theta, iteration, decrement < 1e-6 * max(1.0, abs(cost))
            theta, cost = theta + length * step, trial
        return theta, _ITERATIONS, False

    def hessian(self, theta: Array) -> Array:
        """Second derivatives of the cost (n, n): of D, tr(J⁻¹ E_i J⁻¹ E_j)."""
        result = self._H + np.diag(self._ridge)
        for i, J in enumerate(self._pseudo(theta)):
            place = slice(SIZE * i, SIZE * (i + 1))
            moved = np.linalg.solve(J, BASIS)
            result[place, place] += self._weight * np.einsum("iab,jba->ij", moved, moved)
        positive = self._positive
        result[positive, positive] += self._joint_weight / theta[positive] ** 2
        return result

    def prior_covariance(self) -> Array:
        """What was known before the data (n, n); infinite where nothing was."""
        result = np.diag(np.full(len(self._start), np.inf))
        for i, inverse in enumerate(self._inverse_priors):
            place = slice(SIZE * i, SIZE * (i + 1))
            moved = inverse @ BASIS
            result[place, place] = np.linalg.inv(self._weight * np.einsum("iab,jba->ij", moved, moved))
        known = self._joint_slope > 0
        places = self._positive[known]
        result[places, places] = self._start[places] ** 2 / self._joint_weight[known]
        return result

    def _cost(self, theta: Array) -> float:
        """Infinite outside the physical set; constants are left out."""
        amounts = theta[self._positive]
        if (amounts <= 0).any():
            return np.inf
        cost = 0.5 * theta @ self._H @ theta - self._g @ theta + 0.5 * self._ridge @ (theta - self._start) ** 2
        for J, inverse in zip(self._pseudo(theta), self._inverse_priors, strict=True):
            try:
                root = np.linalg.cholesky(J)
            except np.linalg.LinAlgError:
                return np.inf
            cost += self._weight * (np.sum(inverse * J) - 2 * np.log(np.diag(root)).sum())
        return float(cost + self._joint_weight @ (self._joint_slope * amounts - np.log(amounts)))

    def _gradient(self, theta: Array) -> Array:
        result: Array = self._H @ theta - self._g + self._ridge * (theta - self._start)
        for i, (J, inverse) in enumerate(zip(self._pseudo(theta), self._inverse_priors, strict=True)):
            place = slice(SIZE * i, SIZE * (i + 1))
            result[place] += self._weight * np.einsum("ab,iab->i", inverse - np.linalg.inv(J), BASIS)
        result[self._positive] += self._joint_weight * (self._joint_slope - 1 / theta[self._positive])
        return result

    def _pseudo(self, theta: Array) -> Array:
        """J (bodies, 4, 4) of the bodies without what is fixed to them."""
        return inertial_parameters.pseudo_inertia(theta[: SIZE * self._bodies].reshape(-1, SIZE) - self._fixed)

    def _thick(self, body: Array, name: str) -> Array:
        """A prior that is a physical body: flat or wrong ones are given the least thickness that helps."""
        J = inertial_parameters.pseudo_inertia(body)
        values, vectors = np.linalg.eigh(J)
        least = _THINNEST * max(float(values[-1]), 1e-9)
        if values[0] >= least * 1e-3 and values[0] > 0:
            return body
        self.notes.append(f"the model's own inertia behind {name} is not physical; the nearest one that is serves as prior")
        mended: Array = inertial_parameters.parameters_of((vectors * np.maximum(values, least)) @ vectors.T)
        return mended
