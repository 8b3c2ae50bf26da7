"""The first answer of every family: fitted to labels one step ahead, in closed form where there is one."""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.linalg

from mpc_controller.arrays import Array, IntArray
from mpc_controller.learning.draft import Draft, network_shape
from mpc_controller.learning.guard import Range, range_of
from mpc_controller.learning.labels import Labels
from mpc_controller.learning.options import Family, LearnOptions
from mpc_controller.model.residual.network import Activation, mlp_shape
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import ResidualShape

MEMBERS = 6  # of an ensemble
_RIDGES = tuple(10.0**k for k in range(-6, 3))
_LENGTHS = (1.5, 3.0, 6.0)  # of random features, in standard deviations of the features


def one_step(port: ResidualPort, labels: Labels, features: Array, options: LearnOptions) -> Draft:
    """Of labels, with ranges of features (n, nz): the draft that multi-step training starts from."""
    conjugate = tuple(port.feature_names.index(name) for name in port.conjugate) if options.dissipative else ()
    random = np.random.default_rng([options.seed, 1])
    scale = np.maximum(np.sqrt(np.mean(labels.r**2, axis=0)), 1e-9)
    match options.family:
        case Family.LINEAR:
            draft = linear(labels, range_of(features), scale)
        case Family.RFF:
            draft = random_features(labels, range_of(features), scale, options.basis, random)
        case Family.GP:
            from mpc_controller.learning.jax_gaussian_process import gaussian_process

            draft = gaussian_process(labels, features, scale, options.basis, random, (options.members or 1) // 2)
        case _:
            members = (options.members or MEMBERS) if options.family == Family.ENSEMBLE else 1
            from mpc_controller.learning.jax_one_step import initial_layers

            network = mlp_shape(port.nz, options.hidden, port.nr, options.activation)
            shape = ResidualShape(network, members)
            draft = Draft(shape, range_of(features), scale, initial_layers(options, network, members))
    if conjugate or options.family in (Family.MLP, Family.ENSEMBLE):
        from mpc_controller.learning.jax_one_step import fit_labels

        return fit_labels(draft, conjugate, labels, options)
    return draft


def linear(labels: Labels, spread: Range, scale: Array) -> Draft:
    """r = W z̃ + b: ridge regression."""
    nz, nr = labels.z.shape[1], labels.r.shape[1]
    shape = ResidualShape(network_shape(nz, [(nr, Activation.IDENTITY)]))
    return Draft(shape, spread, scale, (_layer(*ridge(spread.normalized(labels.z), labels.r / scale, labels.track)),))


def random_features(labels: Labels, spread: Range, scale: Array, count: int, random: np.random.Generator) -> Draft:
    """r = W cos(Ω z̃ + φ) + b with Ω ~ N(0, 1/ℓ²), φ uniform: a Gaussian kernel of length ℓ (Rahimi, Recht 2007). ℓ by what
    is predicted of samples that were left out."""
    nz, nr = labels.z.shape[1], labels.r.shape[1]
    frequency, phase = random.standard_normal((count, nz)), random.uniform(0, 2 * np.pi, count)
    z, r = spread.normalized(labels.z), labels.r / scale
    tried = []
    for length in _LENGTHS:
        phi = np.cos(z @ frequency.T / length + phase)
        tried.append((Ridge(phi, r, labels.track).best()[1], length))
    length = min(tried)[1]
    last = ridge(np.cos(z @ frequency.T / length + phase), r, labels.track)
    shape = ResidualShape(network_shape(nz, [(count, Activation.COS), (nr, Activation.IDENTITY)]))
    return Draft(shape, spread, scale, (_layer(frequency / length, phase), _layer(*last)), fixed=1)


def ridge(phi: Array, r: Array, group: IntArray) -> tuple[Array, Array]:
    """W (nr, n) and b (nr,) of r ≈ W φ + b for features φ (samples, n): least squares with λ‖W‖², λ by cross-validation."""
    regression = Ridge(phi, r, group)
    return regression.solve(regression.best()[0])


@final
class Ridge:
    """Ridge regression by normal equations, one a group of samples, so that leaving a group out costs nothing."""

    def __init__(self, phi: Array, r: Array, group: IntArray) -> None:
        full = np.hstack([phi, np.ones((len(phi), 1))])
        groups = group if len(np.unique(group)) > 1 else np.arange(len(phi)) * 5 // max(len(phi), 1)
        self._parts = [
            (full[chosen].T @ full[chosen], full[chosen].T @ r[chosen], (r[chosen] ** 2).sum())
            for chosen in (groups == g for g in np.unique(groups))
        ]
        self._samples = len(phi)
        self._normal, self._right = sum(p[0] for p in self._parts), sum(p[1] for p in self._parts)

    def solve(self, strength: float, without: int | None = None) -> tuple[Array, Array]:
        normal, right = self._normal, self._right
        if without is not None:
            normal, right = normal - self._parts[without][0], right - self._parts[without][1]
        penalty = np.full(len(normal), strength * self._samples)
        penalty[-1] = 1e-12 * self._samples
        weights = scipy.linalg.solve(normal + np.diag(penalty), right, assume_a="pos")
        return weights[:-1].T, weights[-1]

    def best(self) -> tuple[float, float]:
        """λ, and the squared error with it on groups that were left out."""
        tried = []
        for strength in _RIDGES:
            off = 0.0
            for k, (normal, right, square) in enumerate(self._parts):
                weight, bias = self.solve(strength, without=k)
                full = np.hstack([weight, bias[:, None]])
                off += square - 2 * float((full * right.T).sum()) + float(np.einsum("ri,ij,rj->", full, normal, full))
            tried.append((off, strength))
        off, strength = min(tried)
        return strength, off


def _layer(weight: Array, bias: Array) -> tuple[Array, Array]:
    return weight[None], bias[None]
