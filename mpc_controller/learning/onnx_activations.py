"""Nodes that are activations, and normalisations, which hang together with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from mpc_controller.learning.affine import Affine, Special
from mpc_controller.learning.onnx_graph import Graph, Node, one_row, vector_of
from mpc_controller.model.residual.network import USUAL_ALPHA, Activation

EPSILON = 1e-5  # of Activation.NORMALIZED


def _activation(kind: Activation | Special) -> Callable[[Node, Graph], Affine]:
    return lambda node, graph: graph.source(kind, node.value(), str(node))


def _leaky_relu(node: Node, graph: Graph) -> Affine:
    return _with_alpha(node, graph, Activation.LEAKY_RELU, node.number("alpha", 0.01))


def _prelu(node: Node, graph: Graph) -> Affine:
    slopes = one_row(node, node.constant(1))
    if np.ptp(slopes) > 0:
        raise node.error(f"has {len(slopes)} slopes that differ; only one for all is supported")
    return _with_alpha(node, graph, Activation.LEAKY_RELU, float(slopes[0]))


def _elu(node: Node, graph: Graph) -> Affine:
    return _with_alpha(node, graph, Activation.ELU, node.number("alpha", 1.0))


def _selu(node: Node, graph: Graph) -> Affine:
    """γ elu(x)."""
    alpha, gamma = node.number("alpha", 1.67326319217681884765625), node.number("gamma", 1.05070102214813232421875)
    return _with_alpha(node, graph, Activation.ELU, alpha).scaled(gamma)


def _celu(node: Node, graph: Graph) -> Affine:
    """α elu(x/α)."""
    alpha = node.number("alpha", 1.0)
    if not alpha > 0:
        raise node.error(f"has alpha {alpha:g}; it must be above 0")
    value = graph.kept_together(node.value(), str(node)) if alpha != 1 else node.value()
    return graph.source(Activation.ELU, value.scaled(1 / alpha), str(node)).scaled(alpha)


def _with_alpha(node: Node, graph: Graph, kind: Activation, alpha: float) -> Affine:
    if not math.isfinite(alpha):
        raise node.error(f"has alpha {alpha:g}; it must be a finite number")
    is_usual = math.isclose(alpha, USUAL_ALPHA[kind], rel_tol=1e-6)
    return graph.source(kind, node.value(), str(node), None if is_usual else alpha)


def _gelu(node: Node, graph: Graph) -> Affine:
    given = node.attributes.get("approximate", b"none").decode()
    kinds = {"none": Activation.GELU, "tanh": Activation.GELU_TANH}
    if given not in kinds:
        raise node.error(f"is approximated by '{given}'; only {' and '.join(kinds)} are supported")
    return graph.source(kinds[given], node.value(), str(node))


def _pow(node: Node, graph: Graph) -> Affine:
    """As a part of gelu."""
    powers = {2.0: Special.SQUARE, 3.0: Special.CUBE}
    exponents = set(one_row(node, node.constant(1)).tolist())
    if len(exponents) != 1 or not exponents <= set(powers):
        raise node.error("raises values to a power; only the cube within gelu's approximation by tanh is supported")
    return graph.source(powers[exponents.pop()], node.value(), str(node))


def _swish(node: Node, graph: Graph) -> Affine:
    """x sigmoid(α x) = silu(α x)/α."""
    alpha = node.number("alpha", 1.0)
    if not alpha:
        return node.value().scaled(0.5)
    value = graph.kept_together(node.value(), str(node)) if alpha != 1 else node.value()
    return graph.source(Activation.SILU, value.scaled(alpha), str(node)).scaled(1 / alpha)


def _sin(node: Node, graph: Graph) -> Affine:
    return graph.source(Activation.COS, node.value().shifted(-math.pi / 2), str(node))


def _layer_normalization(node: Node, graph: Graph) -> Affine:
    """Another ε is another scale of what comes in: k x/√(k² var + 1e-5) has ε = 1e-5/k²."""
    value, epsilon = node.value(), node.number("epsilon", EPSILON)
    if int(node.attributes.get("axis", -1)) not in (-1, 1):
        raise node.error(f"is along axis {node.attributes['axis']}; only the last is supported")
    if not epsilon > 0:
        raise node.error(f"has epsilon {epsilon:g}; it must be above 0")
    if not math.isclose(epsilon, EPSILON, rel_tol=1e-6):
        value = graph.kept_together(value, str(node)).scaled(math.sqrt(EPSILON / epsilon))
    normalized = graph.source(Activation.NORMALIZED, value, str(node)).scaled(vector_of(node, node.constant(1), value))
    return normalized if node.operand(2) is None else normalized.shifted(vector_of(node, node.constant(2), value))


def _batch_normalization(node: Node, graph: Graph) -> Affine:
    if node.attributes.get("training_mode", 0) or node.outputs > 1:
        raise node.error("is of a network in training; export it for inference")
    value = graph.kept_together(node.value(), str(node))
    scale, shift, mean, variance = (vector_of(node, node.constant(k), value) for k in (1, 2, 3, 4))
    factors = scale / np.sqrt(variance + node.number("epsilon", 1e-5))
    return value.scaled(factors).shifted(shift - factors * mean)


ACTIVATIONS: Mapping[str, Callable[[Node, Graph], Affine]] = {
    "BatchNormalization": _batch_normalization,
    "Celu": _celu,
    "Cos": _activation(Activation.COS),
    "Elu": _elu,
    "Erf": _activation(Special.ERF),
    "Gelu": _gelu,
    "LayerNormalization": _layer_normalization,
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Pow": _pow,
    "Relu": _activation(Activation.RELU),
    "Selu": _selu,
    "Sigmoid": _activation(Activation.SIGMOID),
    "Sin": _sin,
    "Softplus": _activation(Activation.SOFTPLUS),
    "Swish": _swish,
    "Tanh": _activation(Activation.TANH),
}
