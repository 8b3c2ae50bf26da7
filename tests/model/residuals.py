"""Residuals made by hand, for tests: linear ones, random ones, and ones that correct nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.residual.network import Activation, LayerShape, Network, NetworkShape
from mpc_controller.model.residual.residual import Guard, Residual, ResidualShape


def wide_open(nz: int, nr: int) -> Guard:
    """A guard that lets everything through."""
    far = np.full(nz, 1e6)
    return Guard(-far, far, np.ones(nz), np.eye(nz), 1e12, np.full(nr, 1e6), np.full(nr, 1e6))


def residual_of(shape: ResidualShape, networks: tuple[Network, ...], guard: Guard | None = None, **changes: object) -> Residual:
    """Features as they are, unless `changes` has a center and a scale."""
    nz, nr = shape.nz, shape.nr
    whole = Residual(
        shape=shape,
        networks=networks,
        center=np.zeros(nz),
        scale=np.ones(nz),
        guard=guard or wide_open(nz, nr),
        family="mlp",
        robot="test",
        model_hash="0" * 12,
        parameters={},
        feature_names=tuple(f"z{i}" for i in range(nz)),
        output_names=tuple(f"r{i}" for i in range(nr)),
        accepted=True,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def random_network(shape: NetworkShape, random: np.random.Generator, size: float = 1.0) -> Network:
    weights = tuple(
        np.asarray(size * random.standard_normal((layer.outputs, layer.inputs)) / np.sqrt(layer.inputs), np.float32)
        for layer in shape.layers
    )
    return Network(shape, weights, tuple(np.asarray(0.3 * size * random.standard_normal(len(w)), np.float32) for w in weights))


def random_residual(shape: ResidualShape, seed: int = 0, size: float = 1.0, guard: Guard | None = None) -> Residual:
    random = np.random.default_rng(seed)
    return residual_of(shape, tuple(random_network(shape.network, random, size) for _ in range(shape.members)), guard)


def linear_residual(matrix: Array) -> Residual:
    """r = matrix z, in single precision."""
    nr, nz = matrix.shape
    shape = NetworkShape((LayerShape(nz, nr, Activation.IDENTITY),))
    network = Network(shape, (np.asarray(matrix, np.float32),), (np.zeros(nr, np.float32),))
    return residual_of(ResidualShape(shape), (network,))


def zeroed(residual: Residual) -> Residual:
    """With all weights and biases 0."""
    networks = tuple(
        Network(n.shape, tuple(np.zeros_like(w) for w in n.weights), tuple(np.zeros_like(b) for b in n.biases))
        for n in residual.networks
    )
    return replace(residual, networks=networks)
