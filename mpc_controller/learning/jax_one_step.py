"""Networks fitted to labels, one step ahead, by Adam."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mpc_controller.arrays import Array, IntArray
from mpc_controller.learning.draft import Draft, Layers
from mpc_controller.learning.jax_residual import frame_of, members, shaped
from mpc_controller.learning.labels import Labels
from mpc_controller.learning.options import LearnOptions
from mpc_controller.model.residual.network import NetworkShape
from mpc_controller.model.residual.residual import ResidualShape

_STEPS, _BATCH = 1500, 256
_CHUNKS = 20  # of the labels, that a bootstrap draws whole: neighbours say the same
_SMALL = 0.1  # of the last layer's first weights: a residual starts from next to nothing
_LITTLE = 0.1  # the share of the labels' friction that a dissipative one starts from


def initial_layers(options: LearnOptions, network: NetworkShape, count: int) -> Layers:
    """As Equinox initialises an MLP, one a member."""
    found: list[list[Any]] = [[] for _ in network.layers]
    for key in jax.random.split(jax.random.key(options.seed), count):
        keys = jax.random.split(key, len(network.layers))
        for layer, shape, one in zip(found, network.layers, keys, strict=True):
            layer.append(eqx.nn.Linear(shape.inputs, shape.outputs, key=one))
    layers = [tuple(np.stack([np.asarray(part, float) for part in parts]) for parts in _parts(layer)) for layer in found]
    weight, bias = layers[-1]
    layers[-1] = (_SMALL * weight, 0 * bias)
    return tuple((w, b) for w, b in layers)


def _parts(linears: list[Any]) -> tuple[list[Any], list[Any]]:
    return [linear.weight for linear in linears], [linear.bias for linear in linears]


def fit_labels(draft: Draft, conjugate: tuple[int, ...], labels: Labels, options: LearnOptions) -> Draft:
    """min Σ ρ((r* − y)/scale) + decay ‖W‖², ρ Huber's; members of an ensemble on samples drawn anew, in stretches."""
    if conjugate:
        draft = _dissipative(draft, conjugate, labels)
    random = np.random.default_rng([options.seed, 2])
    chosen = _batches(labels, draft.shape.members, random)
    scale = np.maximum(np.sqrt(np.mean(labels.r**2, axis=0)), 1e-12)
    run = _compiled(draft.shape, options.first_rate, options.decay)
    fixed, trained = (jax.tree.map(jnp.array, part) for part in (draft.layers[: draft.fixed], draft.layers[draft.fixed :]))
    return draft.with_trained(run(trained, fixed, frame_of(draft), labels.z[chosen], labels.r[chosen], scale))


@lru_cache(maxsize=4)
def _compiled(shape: ResidualShape, rate: float, decay: float) -> Any:
    """(trained layers, fixed ones, frame, z and r (steps, members, batch, ·), scale) → trained layers; one for all folds."""
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, _STEPS))

    def run(trained: Layers, fixed: Layers, frame: Any, z: Any, r: Any, scale: Any) -> Any:
        def loss(layers: Layers, z_now: Any, r_now: Any) -> Any:
            y = shaped(shape, members(shape, frame, (*fixed, *layers), z_now), z_now)
            return optax.losses.huber_loss((y - r_now) / scale).mean(axis=(1, 2)).sum() + decay * squares(layers)

        def step(carry: Any, now: Any) -> Any:
            layers, state = carry
            updates, state = optimizer.update(jax.grad(loss)(layers, *now), state)
            return (optax.apply_updates(layers, updates), state), None

        return jax.lax.scan(step, (trained, optimizer.init(trained)), (z, r))[0][0]

    return jax.jit(run)


def squares(trained: Layers) -> Any:
    """Σ W² of all members."""
    return sum((weight**2).sum() for weight, _ in trained)


def _batches(labels: Labels, count: int, random: np.random.Generator) -> IntArray:
    """(steps, members, batch) positions of labels, for so many members."""
    samples = len(labels.r)
    size = min(_BATCH, samples)
    if count == 1:
        return random.integers(samples, size=(_STEPS, 1, size))
    chunks = np.array_split(np.arange(samples), min(_CHUNKS * len(np.unique(labels.track)), samples))
    drawn = [np.concatenate([chunks[k] for k in random.integers(len(chunks), size=len(chunks))]) for _ in range(count)]
    return np.stack([own[random.integers(len(own), size=(_STEPS, size))] for own in drawn], axis=1)


def _dissipative(draft: Draft, conjugate: tuple[int, ...], labels: Labels) -> Draft:
    """With outputs −softplus(y) z_c, starting at a tenth of the labels' own size of r/z_c everywhere."""
    along = labels.z[:, list(conjugate)]
    grip = np.sqrt((labels.r**2).mean(axis=0) / np.maximum((along**2).mean(axis=0), 1e-18))
    scale = np.maximum(grip, 1.0)  # softplus is an exponential below 1, whatever the unit
    weight, bias = draft.layers[-1]
    start = np.log(np.expm1(np.clip(_LITTLE * grip, 1e-9, 30.0))) / scale
    last = (0.0 * np.asarray(weight), np.zeros(np.shape(bias)) + start)
    shape = replace(draft.shape, conjugate=conjugate)
    return replace(draft, shape=shape, output_scale=scale, layers=(*draft.layers[:-1], last))


def output_values(draft: Draft, z: Array) -> tuple[Array, Array]:
    """Outputs (n, nr) of a draft at z (n, nz), neither bounded nor gated, and what its networks give (members, n, nr)."""
    wide = jnp.broadcast_to(jnp.array(z), (draft.shape.members, *z.shape))
    each = members(draft.shape, frame_of(draft), draft.layers, wide)
    return np.asarray(shaped(draft.shape, each.mean(axis=0), jnp.array(z))), np.asarray(each)
