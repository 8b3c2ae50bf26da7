"""A residual in JAX: what kernels/residual.h evaluates, members side by side, to be differentiated by its layers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mpc_controller.learning.draft import Draft, Layers
from mpc_controller.model.residual.network import NO_SKIP, Activation, NetworkShape
from mpc_controller.model.residual.residual import ResidualShape

_FUNCTIONS = {
    Activation.IDENTITY: lambda a: a,
    Activation.TANH: jnp.tanh,
    Activation.SOFTPLUS: jax.nn.softplus,
    Activation.SILU: jax.nn.silu,
    Activation.SIGMOID: jax.nn.sigmoid,
    Activation.GELU: lambda a: jax.nn.gelu(a, approximate=False),
    Activation.COS: jnp.cos,
}


def network_values(shape: NetworkShape, layers: Layers, z: Any) -> Any:
    """(members, n, outputs) of normalised features z (members, n, inputs)."""
    values = [z]
    for layer, (weight, bias) in zip(shape.layers, layers, strict=True):
        y = values[-1]
        if layer.activation is Activation.GAUSSIAN:
            squares = (y**2).sum(axis=2)[:, :, None] - 2 * jnp.einsum("mni,moi->mno", y, weight)
            values.append(jnp.exp(-0.5 * (squares + (weight**2).sum(axis=2)[:, None])))
            continue
        a = jnp.einsum("mni,moi->mno", y, weight) + bias[:, None]
        if layer.skip != NO_SKIP:
            a = a + values[layer.skip]
        values.append(_FUNCTIONS[layer.activation](a))
    return values[-1]


def frame_of(draft: Draft) -> dict[str, Any]:
    """The numbers around the network, as arguments of compiled functions."""
    r = draft.range
    return {
        "center": r.center,
        "scale": r.scale,
        "lower": r.lower,
        "upper": r.upper,
        "fade": r.fade,
        "precision": r.precision / r.density_limit,
        "output_scale": draft.output_scale,
    }


def members(shape: ResidualShape, frame: dict[str, Any], layers: Layers, z: Any) -> Any:
    """What the networks give (members, n, nr) at features z (members, n, nz)."""
    return network_values(shape.network, layers, (z - frame["center"]) / frame["scale"]) * frame["output_scale"]


def shaped(shape: ResidualShape, y: Any, z: Any) -> Any:
    """y (…, nr) of networks' values and features z (…, nz): dissipative if asked for, neither bounded nor gated."""
    return -jax.nn.softplus(y) * z[..., jnp.array(shape.conjugate)] if shape.conjugate else y


def gate(frame: dict[str, Any], z: Any) -> Any:
    """(…,) of features z (…, nz): ranges and density, as model.residual.Guard."""
    s = (z - frame["center"]) / frame["scale"]
    beyond = jnp.maximum(0.0, jnp.maximum(frame["lower"] - s, s - frame["upper"])) / frame["fade"]
    sparse = jnp.maximum(0.0, jnp.einsum("...i,ij,...j->...", s, frame["precision"], s) - 1)
    return jnp.maximum(0.0, 1 - (beyond**2).sum(axis=-1) - sparse**2) ** 2
