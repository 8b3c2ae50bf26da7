"""Sparse Gaussian processes: hyperparameters by their marginal likelihood, the mean as a network."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.cluster.vq
import scipy.linalg
import scipy.optimize

from mpc_controller.arrays import Array
from mpc_controller.learning.draft import Draft, network_shape
from mpc_controller.learning.guard import range_of
from mpc_controller.learning.labels import Labels
from mpc_controller.model.residual.network import Activation
from mpc_controller.model.residual.residual import ResidualShape

_MOST_LABELS = 4000  # that it looks at
_JITTER = 1e-6
_ITERATIONS = 60
_LONGEST = 30.0  # length scales, in standard deviations: a feature that says nothing


def gaussian_process(
    labels: Labels, features: Array, scale: Array, count: int, random: np.random.Generator, pairs: int = 0
) -> Draft:
    """A sparse Gaussian process with a kernel s² exp(−Σ((z_i − z'_i)/ℓ_i)²/2) and one noise an output: its mean, and with
    `pairs` of members its variance, as `variance_pairs` has it.

    Length scales are common to the outputs, as one layer of radial functions serves them all. They, s² and the noise maximise
    Titsias' bound of the marginal likelihood ("Variational learning of inducing variables in sparse Gaussian processes", 2009);
    the inducing points are the centres of k-means clusters.
    """
    plain = range_of(features)
    count_all = len(labels.r)
    chosen = np.sort(random.choice(count_all, min(count_all, _MOST_LABELS), replace=False))
    z, r = plain.normalized(labels.z[chosen]), labels.r[chosen] / scale
    count = min(count, len(z))
    points, _ = scipy.cluster.vq.kmeans2(z, count, minit="++", seed=random, iter=20)
    nz, nr = z.shape[1], r.shape[1]

    def cost(theta: Any) -> Any:
        return -bound(theta, z, r, points) / len(z)

    start = np.concatenate([np.full(nz, np.log(2.0)), np.zeros(nr), np.log(np.full(nr, 0.25))])
    value_and_gradient = jax.jit(jax.value_and_grad(cost))
    limits = [(np.log(0.3), np.log(_LONGEST))] * nz + [(-6.0, 4.0)] * nr + [(-12.0, 2.0)] * nr
    found = scipy.optimize.minimize(
        lambda theta: tuple(np.asarray(part, dtype=float) for part in value_and_gradient(theta)),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        options={"maxiter": _ITERATIONS},
    )
    lengths = np.exp(found.x[:nz])
    weight = mean_weights(found.x, z, r, points)
    shape = ResidualShape(network_shape(nz, [(count, Activation.GAUSSIAN), (nr, Activation.IDENTITY)]))
    layers = ((points / lengths)[None], np.zeros((1, count))), (weight[None], np.zeros((1, nr)))
    deviations = variance_pairs(found.x, z, r, points, pairs) if pairs else None
    return Draft(shape, range_of(features, lengths), scale, layers, fixed=1, deviations=deviations)


def bound(theta: Any, z: Any, r: Any, points: Any) -> Any:
    """Titsias' lower bound of the log marginal likelihood, summed over outputs r (n, nr); θ = log(ℓ, s², noise variances)."""
    nz = z.shape[1]
    lengths, size, noise = jnp.exp(theta[:nz]), *jnp.split(jnp.exp(theta[nz:]), 2)
    unit_uu = _kernel(points / lengths, points / lengths) + _JITTER * jnp.eye(len(points))
    L = jnp.linalg.cholesky(unit_uu)
    A = jax.scipy.linalg.solve_triangular(L, _kernel(points / lengths, z / lengths), lower=True)  # of unit variance
    total = 0.0
    for i in range(r.shape[1]):
        ratio, n = size[i] / noise[i], len(z)
        B = jnp.eye(len(points)) + ratio * A @ A.T
        LB = jnp.linalg.cholesky(B)
        c = jax.scipy.linalg.solve_triangular(LB, A @ r[:, i], lower=True) * jnp.sqrt(ratio)
        total += -0.5 * n * jnp.log(2 * jnp.pi * noise[i]) - jnp.log(jnp.diag(LB)).sum()
        total += -0.5 * ((r[:, i] ** 2).sum() - (c**2).sum()) / noise[i]
        total += -0.5 * ratio * (n - (A**2).sum())
    return total


def mean_weights(theta: Array, z: Array, r: Array, points: Array) -> Array:
    """W (nr, inducing points), so that the mean is W exp(−‖(z − points)/ℓ‖²/2)."""
    return np.asarray(_posterior(theta, z, r, points)[0])


def variance(theta: Array, z: Array, r: Array, points: Array, at: Array) -> Array:
    """(n, nr) of the function, without noise, at features `at` (n, nz)."""
    nz = z.shape[1]
    lengths, size = np.exp(theta[:nz]), np.exp(theta[nz : nz + r.shape[1]])
    kernel = np.asarray(_kernel(points / lengths, at / lengths))
    _, prior, posteriors = _posterior(theta, z, r, points)
    without = np.einsum("ik,ij,jk->k", kernel, prior, kernel)
    left = [1 - without + np.einsum("ik,ij,jk->k", kernel, inverse, kernel) for inverse in posteriors]
    return np.stack(left, axis=1) * size


def variance_pairs(theta: Array, z: Array, r: Array, points: Array, pairs: int) -> Array:
    """D (2 pairs, nr, inducing points): weights W ± D, whose variance over members is that of the process where the data are.

    Of the posterior N(W, s² P) of the weights, the directions that move the function most at the features z, one a pair; scaled
    alike, so that the mean over z is that of `variance`.
    """
    nz, nr = z.shape[1], r.shape[1]
    lengths, size, noise = np.exp(theta[:nz]), np.exp(theta[nz : nz + nr]), np.exp(theta[nz + nr :])
    kernel = np.asarray(_kernel(z / lengths, points / lengths))
    wanted = variance(theta, z, r, points, z).mean(axis=0)
    deviations = np.zeros((2 * pairs, nr, len(points)))
    uu = np.asarray(_kernel(points / lengths, points / lengths)) + _JITTER * np.eye(len(points))
    L = np.linalg.cholesky(uu)
    A = scipy.linalg.solve_triangular(L, kernel.T, lower=True)
    for i in range(nr):
        # P = L⁻ᵀ B⁻¹ L⁻¹, by roots: its own entries are differences of large numbers.
        LB = np.linalg.cholesky(np.eye(len(points)) + size[i] / noise[i] * A @ A.T)
        seen = np.sqrt(size[i]) * scipy.linalg.solve_triangular(LB, A, lower=True).T
        root = np.sqrt(size[i]) * scipy.linalg.solve_triangular(L.T, scipy.linalg.solve_triangular(LB.T, np.eye(len(points))))
        _, strengths, along = np.linalg.svd(seen, full_matrices=False)
        kept = min(pairs, len(strengths))
        stretch = np.sqrt(pairs * wanted[i] * len(z) / max(float((strengths[:kept] ** 2).sum()), 1e-300))
        directions = stretch * (root @ along[:kept].T).T
        deviations[:kept, i], deviations[pairs : pairs + kept, i] = directions, -directions
    return deviations


def _posterior(theta: Array, z: Array, r: Array, points: Array) -> tuple[Array, Array, list[Array]]:
    """Weights (nr, m), K_uu⁻¹, and (K_uu + s²/σ² K_uf K_fu)⁻¹ of every output, kernels of unit variance."""
    nz, nr, m = z.shape[1], r.shape[1], len(points)
    lengths, size, noise = np.exp(theta[:nz]), np.exp(theta[nz : nz + nr]), np.exp(theta[nz + nr :])
    uu = np.asarray(_kernel(points / lengths, points / lengths)) + _JITTER * np.eye(m)
    uf = np.asarray(_kernel(points / lengths, z / lengths))
    inverses = [np.asarray(np.linalg.inv(uu + size[i] / noise[i] * uf @ uf.T), dtype=float) for i in range(nr)]
    weights = [size[i] / noise[i] * inverses[i] @ uf @ r[:, i] for i in range(nr)]
    return np.array(weights, dtype=float), np.asarray(np.linalg.inv(uu), dtype=float), inverses


def _kernel(a: Any, b: Any) -> Any:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return jnp.exp(-0.5 * jnp.maximum(squares, 0.0))
