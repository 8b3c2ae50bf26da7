"""Networks and residuals in double precision, as the docstrings' equations say: what native code is compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, ndtr

from mpc_controller.arrays import Array
from mpc_controller.model.residual.network import NO_SKIP, Activation, Network
from mpc_controller.model.residual.residual import SATURATION, Guard, Residual


def _cubic(a: Array) -> Array:
    return np.asarray(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3))


def _slope_of_gelu_tanh(a: Array) -> Array:
    tanh = np.tanh(_cubic(a))
    return np.asarray((1 + tanh) / 2 + a / 2 * (1 - tanh**2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * a**2))


# σ(a) and σ'(a), entry by entry.
ENTRYWISE: dict[Activation, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    Activation.IDENTITY: (lambda a: a, np.ones_like),
    Activation.TANH: (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    Activation.SOFTPLUS: (lambda a: np.logaddexp(a, 0), expit),
    Activation.SILU: (lambda a: a * expit(a), lambda a: expit(a) * (1 + a * expit(-a))),
    Activation.SIGMOID: (expit, lambda a: expit(a) * expit(-a)),
    Activation.RELU: (lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(float)),
    Activation.GELU: (lambda a: a * ndtr(a), lambda a: ndtr(a) + a * np.exp(-a * a / 2) / np.sqrt(2 * np.pi)),
    Activation.GELU_TANH: (lambda a: a / 2 * (1 + np.tanh(_cubic(a))), lambda a: _slope_of_gelu_tanh(a)),
    Activation.COS: (np.cos, lambda a: -np.sin(a)),
}

# σ(a, α) and σ'(a, α).
WITH_ALPHA: dict[Activation, tuple[Callable[[Array, float], Array], Callable[[Array, float], Array]]] = {
    Activation.LEAKY_RELU: (lambda a, alpha: np.where(a < 0, alpha * a, a), lambda a, alpha: np.where(a < 0, alpha, 1.0)),
    Activation.ELU: (
        lambda a, alpha: np.where(a < 0, alpha * np.expm1(np.minimum(a, 0)), a),
        lambda a, alpha: np.where(a < 0, alpha * np.exp(np.minimum(a, 0)), 1.0),
    ),
}


def network_reference(network: Network, z: Array) -> tuple[Array, Array]:
    """y (K, m) and ∂y/∂z (K, m, n) at z (K, n)."""
    values = [np.asarray(z, float)]
    slopes = [np.broadcast_to(np.eye(z.shape[1]), (len(z), z.shape[1], z.shape[1]))]
    for layer, weight, bias in zip(network.shape.layers, network.weights, network.biases, strict=True):
        W, b, y, J = weight.astype(float), bias.astype(float), values[-1], slopes[-1]
        a, da = y @ W.T + b, W @ J
        if layer.skip != NO_SKIP:
            a, da = a + values[layer.skip], da + slopes[layer.skip]
        if layer.activation is Activation.GAUSSIAN:
            apart = W - y[:, None, :]  # (K, m, n)
            new = np.exp(-np.sum(apart**2, axis=2) / 2)
            slope = new[:, :, None] * (apart @ J)
        elif layer.activation is Activation.NORMALIZED:
            scale = 1 / np.sqrt(a.var(axis=1) + 1e-5)[:, None]
            new = scale * (a - a.mean(axis=1)[:, None])
            centered = da - da.mean(axis=1)[:, None, :]
            slope = scale[:, :, None] * (centered - new[:, :, None] * np.mean(new[:, :, None] * centered, axis=1)[:, None, :])
        elif layer.activation in WITH_ALPHA:
            bent, its_derivative = WITH_ALPHA[layer.activation]
            new, slope = bent(a, layer.constant), its_derivative(a, layer.constant)[:, :, None] * da
        else:
            sigma, derivative = ENTRYWISE[layer.activation]
            new, slope = sigma(a), derivative(a)[:, :, None] * da
        values.append(new)
        slopes.append(slope)
    return values[-1], slopes[-1]


def gate_reference(guard: Guard, z: Array, dz: Array, variance: Array, dvariance: Array) -> tuple[Array, Array]:
    """g (K,) and ∂g/∂z (K, n) of normalised features z (K, n), ∂z̃/∂z (n,), variances over members (K, m), their Jacobians."""
    beyond = np.maximum(0, z - guard.upper) - np.maximum(0, guard.lower - z)
    sparse = np.maximum(0, np.einsum("ki,ij,kj->k", z, guard.precision, z) / guard.density_limit - 1)
    unsure = np.maximum(0, np.mean(variance / guard.disagreement, axis=1) - 1)
    e = np.sum((beyond / guard.fade) ** 2, axis=1) + sparse**2 + unsure**2
    de = 2 * beyond / guard.fade**2 * dz
    de += 2 * sparse[:, None] * (z @ (guard.precision + guard.precision.T)) / guard.density_limit * dz
    de += 2 * unsure[:, None] * np.mean(dvariance / guard.disagreement[:, None], axis=1)
    left = np.where(e < 1, 1 - e, 0)
    return left**2, -2 * left[:, None] * de


def residual_reference(residual: Residual, z: Array) -> tuple[Array, Array, Array]:
    """r (K, nr), ∂r/∂z (K, nr, nz) and gates (K,) at z (K, nz). NaN features: all 0."""
    z = np.asarray(z, float)
    dz = 1 / residual.scale
    normalized = (z - residual.center) * dz
    members = [network_reference(network, normalized) for network in residual.networks]
    values, slopes = np.stack([y for y, _ in members]), np.stack([J * dz for _, J in members])
    y, J = values.mean(axis=0), slopes.mean(axis=0)
    apart = values - y
    dvariance = 2 * np.mean(apart[..., None] * (slopes - J), axis=0)
    gate, dgate = gate_reference(residual.guard, normalized, dz, np.mean(apart**2, axis=0), dvariance)
    if residual.shape.conjugate:
        conjugate = list(residual.shape.conjugate)
        grip, along = np.logaddexp(y, 0), z[:, conjugate]
        J = -(expit(y) * along)[:, :, None] * J
        J[:, np.arange(len(conjugate)), conjugate] -= grip
        y = -grip * along
    bend = SATURATION * residual.guard.bound
    excess = np.tanh(np.maximum(0, np.abs(y) - residual.guard.bound) / bend)
    y = np.where(excess > 0, np.sign(y) * (residual.guard.bound + bend * excess), y)
    J = (1 - excess**2)[:, :, None] * J
    r = residual.strength * gate[:, None] * y
    jacobian = residual.strength * (gate[:, None, None] * J + y[:, :, None] * dgate[:, None, :])
    outside = ~(gate > 0)
    r[outside], jacobian[outside], gate[outside] = 0, 0, 0
    return r, jacobian, gate
