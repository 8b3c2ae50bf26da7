"""A graph of affine values and activations as the chain of layers that the kernels evaluate.

Each layer sees the one before, and adds at most one earlier output of its own size. A sum over several outputs takes layers
without activation in between; an earlier output that is wanted through a matrix is brought back by one: 0 · y + y_k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.learning.affine import Affine, Source, is_identity
from mpc_controller.model.residual.network import NO_SKIP, Activation, Array32, LayerShape, Network, NetworkShape


def layer_chain(sources: Sequence[Source], output: Affine) -> Network:
    """The network that gives `output`. `sources`: the input, then each behind all those that it is made of."""
    values, output = _merged(sources, output)
    chain = _Chain(sources[0].size)
    at = {sources[0]: 0}
    for source, value in values.items():
        if not isinstance(source.kind, Activation):
            raise ValueError(f"{source.name}: {source.kind} is no activation of a layer")
        at[source] = chain.append_sum({at[s]: A for s, A in value.terms.items()}, value.offset, source.kind, source.alpha)
    # Input alone, or an activation that is not the last one, still takes a layer.
    if not (chain.layers and output.is_just_a_source() and at[next(iter(output.terms))] == len(chain.layers)):
        chain.append_sum({at[s]: A for s, A in output.terms.items()}, output.offset, Activation.IDENTITY)
    return chain.network()


def _merged(sources: Sequence[Source], output: Affine) -> tuple[dict[Source, Affine], Affine]:
    """Arguments of the sources that `output` needs, in order; values named for one use only are part of that use."""
    wanted, uses = set(output.terms), Counter(output.terms.keys())
    for source in reversed(sources):
        if source in wanted and source.argument is not None:
            wanted.update(source.argument.terms)
            uses.update(source.argument.terms.keys())
    values: dict[Source, Affine] = {}

    def merge(value: Affine) -> Affine:
        whole = Affine({}, value.offset)
        for source, A in value.terms.items():
            inner = values.get(source)
            is_part = source.kind is Activation.IDENTITY and uses[source] == 1
            if inner is not None and is_part and (len(inner.terms) <= 1 or is_identity(A)):
                whole = whole.plus(inner.through(A))
                del values[source]
            else:
                whole = whole.plus(Affine({source: A}, np.zeros(value.size)))
        return whole

    for source in sources:
        if source in wanted and source.argument is not None:
            values[source] = merge(source.argument)
    output = merge(output)
    return values, output


@final
@dataclass
class _Chain:
    """Layers as they are appended; 0 is the input, k the k-th layer."""

    inputs: int
    layers: list[LayerShape] = field(default_factory=list)
    weights: list[Array32] = field(default_factory=list)
    biases: list[Array32] = field(default_factory=list)

    def append_sum(self, terms: Mapping[int, Array], offset: Array, activation: Activation, alpha: float | None = None) -> int:
        """σ(Σ_k A_k y_k + c) in as many layers as it takes; the number of the last."""
        n, last, zero = len(offset), len(self.layers), np.zeros_like(offset)
        plain = [k for k, A in terms.items() if k != last and is_identity(A)]
        through = {k: A for k, A in terms.items() if k != last and k not in plain}
        matrix, bias, skip = terms.get(last), offset, NO_SKIP
        for k, A in through.items():
            if matrix is not None:
                skip = self.append(matrix, bias, Activation.IDENTITY, skip)
                bias = zero
            size = self.size(k)
            self.append(np.zeros((size, self.size())), np.zeros(size), Activation.IDENTITY, k)
            matrix = A
        if matrix is None:
            matrix = np.zeros((n, self.size()))
        for k in plain:
            if skip != NO_SKIP:
                self.append(matrix, bias, Activation.IDENTITY, skip)
                matrix, bias = np.eye(n), zero
            skip = k
        return self.append(matrix, bias, activation, skip, alpha)

    def size(self, k: int | None = None) -> int:
        """Numbers that layer k gives; the last one."""
        number = len(self.layers) if k is None else k
        return self.layers[number - 1].outputs if number else self.inputs

    def append(self, matrix: Array, bias: Array, activation: Activation, skip: int, alpha: float | None = None) -> int:
        self.layers.append(LayerShape(self.size(), len(bias), activation, skip, alpha))
        self.weights.append(np.ascontiguousarray(matrix, np.float32))
        self.biases.append(np.ascontiguousarray(bias, np.float32))
        return len(self.layers)

    def network(self) -> Network:
        return Network(NetworkShape(tuple(self.layers)), tuple(self.weights), tuple(self.biases))
