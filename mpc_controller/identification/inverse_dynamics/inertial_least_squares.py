"""Inertias of all bodies of a tree, friction and rotors, from motions and torques."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.inverse_dynamics import inertial_parameters
from mpc_controller.identification.inverse_dynamics.autocorrelation import LongRun, long_run
from mpc_controller.identification.inverse_dynamics.base_parameters import BaseParameters, base_parameters
from mpc_controller.identification.inverse_dynamics.condensed import Condensed, added, combined, condensed
from mpc_controller.identification.inverse_dynamics.inertial_data import InertialData
from mpc_controller.identification.inverse_dynamics.inertial_regressor import InertialRegressor, JointTerms
from mpc_controller.identification.inverse_dynamics.robust import check_loss, spread, weights
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.model.rigid_body import RigidBodyModel

_ROUNDS = 20  # of weights
_SETTLED = 1e-3  # relative change of weights that changes nothing any more
_VAGUE = 1.0  # a standard deviation of that many times a base parameter's size tells nothing of it
_FELT = 0.01  # of a joint's torque: what a parameter changes by less need not be known better
_TINY = 1e-12
_GROUPS = 1000  # of samples, whose errors' correlation is looked at


@final
@dataclass(frozen=True)
class InertialFit:
    """θ (n,) of a tree, in the order of `regressor.names`.

    values: the θ closest to the model's own (in relative change) with the base parameters β that were found. base_values,
    base_half_width (nβ,): β and their 95 % intervals, errors' autocorrelation included. half_width: of θ (n,), known with a
    prior only, else empty; covariance and prior_covariance (n, n) likewise, the latter infinite where nothing was known.
    torque_std (nv,): spread of each joint's error; relative_error (nv,): over the root mean square of its torque. condensed:
    the data, one entry of v after the other; alike: how many successive samples say the same. unphysical: joints whose bodies
    have a pseudo-inertia that is not positive definite.
    """

    method: str
    regressor: InertialRegressor
    base: BaseParameters
    values: Array
    base_values: Array
    base_half_width: Array
    torque_std: Array
    relative_error: Array
    condensed: tuple[Condensed, ...]
    alike: float
    unphysical: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()
    half_width: Array = field(default_factory=lambda: np.zeros(0))
    covariance: Array = field(default_factory=lambda: np.zeros((0, 0)))
    prior_covariance: Array = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def parameters(self) -> Parameters:
        """θ as a table that can be saved; `std` where there is one."""
        regressor = self.regressor
        known = len(self.half_width) == len(self.values)
        return Parameters(
            tuple(
                Parameter(name, float(value), unit, std=float(self.half_width[k]) / 1.96 if known else None, source=self.method)
                for k, (name, value, unit) in enumerate(zip(regressor.names, self.values, regressor.units, strict=True))
            ),
            provenance={"method": self.method, "model": regressor.model.name},
        )

    @property
    def model(self) -> RigidBodyModel:
        """The tree with what was found."""
        return self.regressor.identified(self.values)

    def __getitem__(self, name: str) -> float:
        if name not in self.regressor.names:
            raise KeyError(f"no parameter '{name}'; there are {', '.join(self.regressor.names)}")
        return float(self.values[self.regressor.names.index(name)])


@final
class InertialLeastSquares:
    """β̂ = argmin Σ_jk ρ((Φ_jk β − τ_jk) / s_j), s_j the spread of joint j's own errors, found with it.

    The constructor compiles the regressor and finds the base parameters; `fit` takes a few milliseconds a thousand samples.
    loss: `squares`, `huber` or `bisquare`.
    """

    def __init__(
        self,
        model: RigidBodyModel,
        terms: JointTerms | None = None,
        loss: str = "squares",
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        check_loss(loss)
        self._loss = loss
        self.regressor = InertialRegressor(model, terms, report)
        self.base = base_parameters(self.regressor)

    def fit(self, data: Sequence[InertialData]) -> InertialFit:
        begun = time.monotonic()
        rows = _Rows(self.regressor, data)
        if rows.samples * self.regressor.model.nv < 2 * len(self.base.names):
            raise IdentificationError(
                f"{self.regressor.model.name}: {rows.samples} samples are left after filtering; "
                f"{len(self.base.names)} base parameters need many more"
            )
        parts = rows.condensed(None)
        robust = self._loss != "squares"
        std, beta = np.sqrt([p.c / p.count for p in parts]) + _TINY, np.zeros(0)
        for _ in range(_ROUNDS):
            beta = self._solve(parts, std)
            theta = self._spread_out(beta)
            # Sums of squares lose the last digits of a perfect fit: errors that small are none.
            floor = 1e-8 * np.sqrt([p.c / p.count for p in parts]) + _TINY
            errors = rows.errors(theta) if robust else []
            found = (
                spread(np.concatenate(errors), self._loss) if robust else np.sqrt([p.squares(theta) / p.count for p in parts])
            )
            before, std = std, np.maximum(found, floor)
            if robust:
                parts = rows.condensed([weights(self._loss, e / std) for e in errors])
            if np.abs(np.log(std / before)).max() < _SETTLED:
                break
        errors = rows.errors(self._spread_out(beta))
        factors = [weights(self._loss, e / std) / std**2 for e in errors]
        scores = rows.scores([f * e for f, e in zip(factors, errors, strict=True)], self.base)
        return self._outcome(begun, rows, parts, std, beta, scores)

    def _solve(self, parts: Sequence[Condensed], std: Array) -> Array:
        H, g = combined([p.within(self.base.kept) for p in parts], std)
        return np.asarray(_inverse(H) @ g)

    def _spread_out(self, beta: Array) -> Array:
        theta = np.zeros(len(self.regressor))
        theta[self.base.kept] = beta
        return theta

    def _outcome(
        self, begun: float, rows: _Rows, parts: Sequence[Condensed], std: Array, beta: Array, scores: list[Array]
    ) -> InertialFit:
        H, _ = combined([p.within(self.base.kept) for p in parts], std)
        run: LongRun = long_run(scores)
        inverse = _inverse(H)
        half_width = run.critical * np.sqrt(np.clip(np.diag(inverse @ run.covariance @ inverse), 0.0, None))
        # Of independent errors, the covariance of the gradient is the information itself.
        seen = np.diag(H) > 0
        alike = max(1.0, float(np.mean(np.diag(run.covariance)[seen] / np.diag(H)[seen])))
        regressor = self.regressor
        theta = self.base.closest(beta, regressor.nominal, typical_sizes(regressor))
        bodies = theta[: inertial_parameters.SIZE * len(regressor.model.joints)].reshape(-1, inertial_parameters.SIZE)
        unphysical = tuple(
            joint.name
            for joint, body in zip(regressor.model.joints, bodies, strict=True)
            if not inertial_parameters.is_physical(body)
        )
        felt = half_width * _most_felt(parts)[self.base.kept]
        vague = [
            name
            for name, value, half, share in zip(self.base.names, beta, half_width, felt, strict=True)
            if half > 2 * _VAGUE * abs(value) and share > _FELT
        ]
        notes = [f"these data tell little of {', '.join(vague)}"] if vague else []
        notes += [f"no motion shows {', '.join(self.base.unseen)}"] if self.base.unseen else []
        notes += (
            [f"the bodies behind {', '.join(unphysical)} have inertias that no mass distribution has"] if unphysical else []
        )
        powers = np.sqrt([p.c / p.count for p in parts])
        return InertialFit(
            "inertial least squares",
            regressor,
            self.base,
            theta,
            beta,
            half_width,
            std,
            std / np.where(powers > 0, powers, np.nan),
            tuple(parts),
            alike,
            unphysical,
            time.monotonic() - begun,
            tuple(notes),
        )


def inertial_least_squares(
    model: RigidBodyModel, data: Sequence[InertialData], terms: JointTerms | None = None, loss: str = "squares"
) -> InertialFit:
    """One fit of one tree; see InertialLeastSquares."""
    return InertialLeastSquares(model, terms, loss).fit(data)


def _most_felt(parts: Sequence[Condensed]) -> Array:
    """(n,): by how much of its torque the joint that feels it most feels one unit of each parameter, root mean square."""
    return np.asarray(np.max([np.sqrt(np.diag(part.H) / max(part.c, _TINY)) for part in parts], axis=0))


def relative_errors(regressor: InertialRegressor, data: Sequence[InertialData], thetas: Sequence[Array]) -> list[Array]:
    """Of every θ (nv,): the root mean square of each joint's torque error over that of its torque; NaN where there is none."""
    rows = _Rows(regressor, data)
    powers = np.sqrt(np.mean(np.concatenate(rows.tau) ** 2, axis=0))
    errors = [np.sqrt(np.mean(np.concatenate(rows.errors(theta)) ** 2, axis=0)) for theta in thetas]
    return [np.asarray(e / np.where(powers > 0, powers, np.nan)) for e in errors]


def _inverse(H: Array) -> Array:
    """H⁻¹ (n, n); in the scale of the columns, what these data do not excite at all is left out, and stays 0."""
    scale = 1 / np.sqrt(np.maximum(np.diag(H), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(H * np.outer(scale, scale))
    seen = values > _TINY * values[-1]
    return np.asarray(np.outer(scale, scale) * ((vectors[:, seen] / values[seen]) @ vectors[:, seen].T))


def typical_sizes(regressor: InertialRegressor) -> Array:
    """(n,): what counts as a change of each parameter: of a body, what its mass and its radius of gyration make of it."""
    result: Array = np.abs(regressor.nominal)
    size = inertial_parameters.SIZE
    for i in range(len(regressor.model.joints)):
        body = regressor.nominal[size * i : size * (i + 1)]
        mass = max(body[0], _TINY)
        radius = np.sqrt(max(np.trace(inertial_parameters.pseudo_inertia(body)[:3, :3]) / mass, _TINY))
        result[size * i : size * (i + 1)] = [mass, *(mass * radius,) * 3, *(mass * radius**2,) * 6]
    joints = slice(size * len(regressor.model.joints), None)
    result[joints] = np.where(result[joints] > 0, result[joints], 1.0)
    return result


@final
class _Rows:
    """The regression of all pieces: per piece and entry of v, Φ and τ."""

    def __init__(self, regressor: InertialRegressor, data: Sequence[InertialData]) -> None:
        if not data:
            raise IdentificationError(f"{regressor.model.name}: no data given; a fit needs at least one piece of motion")
        self._regressor = regressor
        nq, nv = regressor.model.nq, regressor.model.nv
        self._phi: list[list[Array]] = []
        self.tau: list[Array] = []
        for piece in data:
            if piece.q.shape[1] != nq or any(x.shape[1] != nv for x in (piece.v, piece.a, piece.tau)):
                widths = ", ".join(str(x.shape[1]) for x in (piece.q, piece.v, piece.a, piece.tau))
                raise IdentificationError(
                    f"{regressor.model.name}: q, v, a, tau have {widths} columns; they must have {nq}, {nv}, {nv}, {nv}"
                )
            self._phi.append([piece.kept(phi) for phi in regressor.rows(piece.q, piece.v, piece.a)])
            self.tau.append(piece.kept(piece.tau))
        self.samples = sum(len(tau) for tau in self.tau)

    def condensed(self, factors: Sequence[Array] | None) -> list[Condensed]:
        """One an entry of v, with weights (K, nv) of each piece."""
        size = len(self._regressor)
        chosen: Sequence[Array | None] = [None] * len(self.tau) if factors is None else factors
        return [
            added(
                condensed(phi[j], tau[:, j], columns, size, None if f is None else f[:, j])
                for phi, tau, f in zip(self._phi, self.tau, chosen, strict=True)
            )
            for j, columns in enumerate(self._regressor.columns)
        ]

    def errors(self, theta: Array) -> list[Array]:
        """Φ θ − τ (K, nv) of each piece."""
        columns = self._regressor.columns
        return [
            np.column_stack([phi @ theta[c] for phi, c in zip(piece, columns, strict=True)]) - tau
            for piece, tau in zip(self._phi, self.tau, strict=True)
        ]

    def scores(self, weighted: Sequence[Array], base: BaseParameters) -> list[Array]:
        """Shares of the gradient by β (groups, nβ), from weighted errors (K, nv): sums over groups of successive samples."""
        group = -(-self.samples // _GROUPS)
        result = []
        for piece, errors in zip(self._phi, weighted, strict=True):
            groups = max(1, len(errors) // group)
            size = len(errors) // groups
            by_theta = np.zeros((groups, len(self._regressor)))
            for j, columns in enumerate(self._regressor.columns):
                phi = piece[j][: groups * size].reshape(groups, size, -1)
                by_theta[:, columns] += (errors[: groups * size, j].reshape(groups, 1, size) @ phi)[:, 0]
            result.append(by_theta[:, base.kept])
        return result
