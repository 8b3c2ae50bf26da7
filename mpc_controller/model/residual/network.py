"""Dense networks: the one form that every family of residuals takes at run time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

Array32: TypeAlias = npt.NDArray[np.float32]

NO_SKIP = -1


class Activation(StrEnum):
    """σ(a) of a layer's a = W y + b (+ s), entry by entry but for the last two.

    gelu is a Φ(a) with the normal distribution function, gelu_tanh a/2 (1 + tanh(√(2/π)(a + 0.044715 a³))). Below 0 leaky_relu
    is α a and elu α (eᵃ − 1), with the layer's α.
    gaussian: exp(−‖y − w_j‖²/2) of the layer's input y, with rows w_j of W (b is not looked at): radial basis functions, which
    make a Gaussian process of the layer behind. normalized: (a − mean)/√(var + 1e-5) over the layer's entries; scale and shift
    of a layer normalisation are in the weights of the layer behind.
    """

    IDENTITY = "identity"
    TANH = "tanh"
    SOFTPLUS = "softplus"
    SILU = "silu"
    SIGMOID = "sigmoid"
    RELU = "relu"
    LEAKY_RELU = "leaky_relu"
    ELU = "elu"
    GELU = "gelu"
    GELU_TANH = "gelu_tanh"
    COS = "cos"
    GAUSSIAN = "gaussian"
    NORMALIZED = "normalized"


# α of the activations that have one, where a layer does not say.
USUAL_ALPHA: Mapping[Activation, float] = {Activation.LEAKY_RELU: 0.01, Activation.ELU: 1.0}


@final
@dataclass(frozen=True)
class LayerShape:
    """What of a layer shapes code: y_i = σ(W y_{i−1} + b + s), s = y_skip, the output of an earlier layer (0: the network's
    input, k: of the k-th layer, counted from 1) of the same size; NO_SKIP: none. alpha: of leaky_relu and elu; None: the usual
    one."""

    inputs: int
    outputs: int
    activation: Activation
    skip: int = NO_SKIP
    alpha: float | None = None

    def __post_init__(self) -> None:
        if self.alpha is None:
            return
        if self.activation not in USUAL_ALPHA or not math.isfinite(self.alpha):
            raise ValueError(
                f"LayerShape: a layer of {self.activation} has alpha {self.alpha:g}; only {' and '.join(USUAL_ALPHA)} have "
                "one, a finite number"
            )

    @property
    def constant(self) -> float:
        """α; 0 for activations without."""
        return USUAL_ALPHA.get(self.activation, 0.0) if self.alpha is None else self.alpha


@final
@dataclass(frozen=True)
class NetworkShape:
    """A chain of layers; each takes what the one before gives."""

    layers: tuple[LayerShape, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("NetworkShape: no layer; a network has at least one")
        sizes = [self.layers[0].inputs]
        for number, layer in enumerate(self.layers, start=1):
            if layer.inputs != sizes[-1] or layer.outputs < 1:
                raise ValueError(
                    f"NetworkShape: layer {number} is {layer.outputs} x {layer.inputs}; it is given {sizes[-1]} numbers"
                )
            if layer.skip != NO_SKIP and not (0 <= layer.skip < number and sizes[layer.skip] == layer.outputs):
                raise ValueError(
                    f"NetworkShape: layer {number} adds the output of layer {layer.skip}; it must be an earlier one "
                    f"(0: the input) with {layer.outputs} numbers"
                )
            sizes.append(layer.outputs)

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs

    @property
    def weight_count(self) -> int:
        """Numbers in all weights and biases."""
        return sum(layer.outputs * (layer.inputs + 1) for layer in self.layers)


@final
@dataclass(frozen=True, eq=False)
class Network:
    """A shape with its numbers: one W (outputs, inputs) and one b (outputs,) a layer, in single precision."""

    shape: NetworkShape
    weights: tuple[Array32, ...]
    biases: tuple[Array32, ...]

    def __post_init__(self) -> None:
        layers = self.shape.layers
        given = [(w.shape, b.shape) for w, b in zip(self.weights, self.biases, strict=False)]
        if given != [((layer.outputs, layer.inputs), (layer.outputs,)) for layer in layers] or len(self.weights) != len(
            self.biases
        ):
            wanted = ", ".join(f"{layer.outputs} x {layer.inputs}" for layer in layers)
            raise ValueError(f"Network: weights and biases are {given}; the shape's layers are {wanted}")
        for number, (w, b) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            if not (np.isfinite(w).all() and np.isfinite(b).all()):
                raise ValueError(f"Network: layer {number} holds numbers that are not finite")


def mlp_shape(inputs: int, hidden: tuple[int, ...], outputs: int, activation: Activation = Activation.TANH) -> NetworkShape:
    """Hidden layers of these widths, then a linear one."""
    sizes = (inputs, *hidden)
    layers = [LayerShape(a, b, activation) for a, b in zip(sizes, hidden, strict=False)]
    return NetworkShape((*layers, LayerShape(sizes[-1], outputs, Activation.IDENTITY)))
