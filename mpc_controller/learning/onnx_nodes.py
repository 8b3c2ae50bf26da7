"""What nodes of ONNX graphs do to a value of shape (batch, n). Nodes of constants only are folded before they come here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.learning.affine import Affine, Source, Special, source_itself
from mpc_controller.learning.onnx_products import product_of
from mpc_controller.learning.options import LearningError
from mpc_controller.model.residual.network import USUAL_ALPHA, Activation

BATCH = -1
EPSILON = 1e-5  # of Activation.NORMALIZED
FLOATS = (1, 10, 11, 16)  # TensorProto: float, float16, double, bfloat16
Constant: TypeAlias = npt.NDArray[Any]


class NetworkImportError(LearningError):
    """A network that cannot be taken over; one sentence that names the file, and the node."""


@final
@dataclass(frozen=True, eq=False)
class Value:
    """What a tensor holds for each point of a batch, and its axes: BATCH, 1s that were inserted, n."""

    affine: Affine
    axes: tuple[int, ...]


Operand: TypeAlias = Value | Constant | None


@final
@dataclass(frozen=True)
class Node:
    """One node with what it is given; None for an input that is left out. `batch`: 0 where the graph takes any."""

    kind: str
    name: str
    attributes: Mapping[str, Any]
    operands: Sequence[Operand]
    outputs: int = 1
    batch: int = 0

    def __str__(self) -> str:
        return f"node '{self.name}' ({self.kind})"

    def error(self, message: str) -> NetworkImportError:
        return NetworkImportError(f"{self} {message}")

    def operand(self, k: int) -> Operand:
        return self.operands[k] if k < len(self.operands) else None

    def value(self, k: int = 0) -> Affine:
        """Operand k, which must be a value of shape (batch, n)."""
        given = self.operand(k)
        if not isinstance(given, Value):
            raise self.error(f"has no value that depends on the network's input as input {k}; only there it is supported")
        if given.axes != (BATCH, given.affine.size):
            raise self.error(f"is given axes {_told(given.axes)}; only (batch, n) is supported")
        return given.affine

    def constant(self, k: int) -> Array:
        """Operand k, which must be a constant."""
        given = self.operand(k)
        if not isinstance(given, np.ndarray):
            raise self.error(f"has no constant as input {k}; only there it is supported")
        return np.asarray(given, np.float64)

    def number(self, name: str, default: float) -> float:
        return float(self.attributes.get(name, default))


@final
@dataclass(frozen=True)
class Graph:
    """All sources so far, each behind those that it is made of."""

    sources: list[Source] = field(default_factory=list)

    def source(self, kind: Activation | Special, argument: Affine, name: str, alpha: float | None = None) -> Affine:
        """kind(argument) as a new source."""
        self.sources.append(Source(argument.size, kind, argument, name, alpha))
        return source_itself(self.sources[-1])

    def kept_together(self, value: Affine, name: str) -> Affine:
        """A sum over several sources as one source: it can go through a matrix without taking all of them along."""
        return value if len(value.terms) <= 1 else self.source(Activation.IDENTITY, value, name)


def evaluate(node: Node, graph: Graph) -> Value:
    """The first output of a node; NetworkImportError where it has no place in a Network."""
    if node.kind in _RESHAPING:
        return _RESHAPING[node.kind](node)
    if node.kind not in _OPERATORS:
        raise node.error(f"is not supported; supported are {', '.join(sorted((*_OPERATORS, *_RESHAPING)))}")
    affine = _OPERATORS[node.kind](node, graph)
    return Value(affine, (BATCH, affine.size))


def _activation(kind: Activation | Special) -> Callable[[Node, Graph], Affine]:
    return lambda node, graph: graph.source(kind, node.value(), str(node))


def _leaky_relu(node: Node, graph: Graph) -> Affine:
    return _with_alpha(node, graph, Activation.LEAKY_RELU, node.number("alpha", 0.01))


def _prelu(node: Node, graph: Graph) -> Affine:
    slopes = _row(node, node.constant(1))
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
    exponents = set(_row(node, node.constant(1)).tolist())
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
    normalized = graph.source(Activation.NORMALIZED, value, str(node)).scaled(_vector(node, node.constant(1), value))
    return normalized if node.operand(2) is None else normalized.shifted(_vector(node, node.constant(2), value))


def _batch_normalization(node: Node, graph: Graph) -> Affine:
    if node.attributes.get("training_mode", 0) or node.outputs > 1:
        raise node.error("is of a network in training; export it for inference")
    value = graph.kept_together(node.value(), str(node))
    scale, shift, mean, variance = (_vector(node, node.constant(k), value) for k in (1, 2, 3, 4))
    factors = scale / np.sqrt(variance + node.number("epsilon", 1e-5))
    return value.scaled(factors).shifted(shift - factors * mean)


def _gemm(node: Node, graph: Graph) -> Affine:
    if node.attributes.get("transA", 0):
        raise node.error("turns its first input (transA); only (batch, n) times a constant is supported")
    value = graph.kept_together(node.value(), str(node))
    weight = _matrix(node, value, node.constant(1).T if node.attributes.get("transB", 0) else node.constant(1))
    product = value.through(node.number("alpha", 1.0) * weight.T)
    if node.operand(2) is None:
        return product
    return _sum(node, product, node.operand(2), node.number("beta", 1.0))


def _matmul(node: Node, graph: Graph) -> Affine:
    value = graph.kept_together(node.value(), str(node))
    return value.through(_matrix(node, value, node.constant(1)).T)


def _add(node: Node, graph: Graph) -> Affine:
    return _combined(node, 1.0)


def _sub(node: Node, graph: Graph) -> Affine:
    return _combined(node, -1.0)


def _combined(node: Node, sign: float) -> Affine:
    if isinstance(node.operand(0), Value):
        return _sum(node, node.value(), node.operand(1), sign)
    return _sum(node, node.value(1).scaled(sign), node.operand(0), 1.0)


def _sum(node: Node, value: Affine, other: Operand, sign: float) -> Affine:
    if isinstance(other, Value):
        if other.axes != (BATCH, other.affine.size):
            raise node.error(f"is given axes {_told(other.axes)}; only (batch, n) is supported")
        n = _common(node, value.size, other.affine.size)
        return value.spread(n).plus(other.affine.spread(n).scaled(sign))
    vector = _row(node, np.asarray(other, np.float64))
    n = _common(node, value.size, len(vector))
    return value.spread(n).shifted(sign * vector)


def _mul(node: Node, graph: Graph) -> Affine:
    first, second = node.operand(0), node.operand(1)
    if isinstance(first, Value) and isinstance(second, Value):
        for one, other in ((node.value(0), node.value(1)), (node.value(1), node.value(0))):
            if (product := product_of(one, other)) is not None:
                kind, argument, factor = product
                return graph.source(kind, argument, str(node)).scaled(factor)
        raise node.error("multiplies two values; only x·sigmoid(x) and gelu, by erf or by tanh, are supported")
    return _scaled(node, graph, 0 if isinstance(first, Value) else 1, lambda vector: vector)


def _div(node: Node, graph: Graph) -> Affine:
    if not isinstance(node.operand(0), Value) or isinstance(node.operand(1), Value):
        raise node.error("divides by a value; only division by a constant is supported")
    if not _row(node, node.constant(1)).all():
        raise node.error("divides by 0")
    return _scaled(node, graph, 0, lambda vector: 1 / vector)


def _scaled(node: Node, graph: Graph, at: int, factors: Callable[[Array], Array]) -> Affine:
    value, vector = graph.kept_together(node.value(at), str(node)), _row(node, node.constant(1 - at))
    return value.spread(_common(node, value.size, len(vector))).scaled(factors(vector))


def _neg(node: Node, graph: Graph) -> Affine:
    return node.value().scaled(-1)


def _same(node: Node) -> Value:
    given = node.operand(0)
    if not isinstance(given, Value):
        raise node.error("has no value that depends on the network's input")
    return given


def _cast(node: Node) -> Value:
    if int(node.attributes.get("to", 1)) not in FLOATS:
        raise node.error("rounds values of the network to a type that is not a floating-point one")
    return _same(node)


def _dropout(node: Node) -> Value:
    training = node.operand(2)
    if training is not None and (isinstance(training, Value) or training.any()):
        raise node.error("is of a network in training; export it for inference")
    return _same(node)


def _flatten(node: Node) -> Value:
    given = _same(node)
    axis = int(node.attributes.get("axis", 1))
    if given.axes[0] != BATCH or axis not in (1, 1 - len(given.axes)):
        raise node.error(f"turns axes {_told(given.axes)} into others than (batch, {given.affine.size})")
    return Value(given.affine, (BATCH, given.affine.size))


def _reshape(node: Node) -> Value:
    given, target = _same(node), [int(entry) for entry in node.constant(1)]
    n = given.affine.size
    keeps = 0 if not node.attributes.get("allowzero", 0) and given.axes[0] == BATCH else None
    is_batch = len(target) == 2 and (target[0] in (keeps, node.batch or keeps) or (target[0] == -1 and target[1] != -1))
    if not is_batch or not (target[1] in (n, -1) or (target[1] == keeps and given.axes[1:2] == (n,))):
        raise node.error(f"turns axes {_told(given.axes)} into {tuple(target)}; only (-1, {n}) and (0, -1) are supported")
    return Value(given.affine, (BATCH, n))


def _squeeze(node: Node) -> Value:
    given = _same(node)
    rank = len(given.axes)
    axes = _axes(node)
    if axes is None:
        axes = [k for k, size in enumerate(given.axes) if size == 1]
    axes = [axis % rank for axis in axes]
    if any(given.axes[axis] != 1 for axis in axes):
        raise node.error(f"takes axes {axes} away from {_told(given.axes)}; only those of size 1 can go")
    return Value(given.affine, tuple(size for k, size in enumerate(given.axes) if k not in axes))


def _unsqueeze(node: Node) -> Value:
    given, axes = _same(node), _axes(node) or []
    rank = len(given.axes) + len(axes)
    new = {axis % rank for axis in axes}
    old = iter(given.axes)
    return Value(given.affine, tuple(1 if k in new else next(old) for k in range(rank)))


def _transpose(node: Node) -> Value:
    given = _same(node)
    perm = list(node.attributes.get("perm", range(len(given.axes))[::-1]))
    if perm != sorted(perm):
        raise node.error("turns values of the network; only constants can be turned")
    return given


def _axes(node: Node) -> list[int] | None:
    """An input since opset 13, an attribute before."""
    if node.operand(1) is not None:
        return [int(axis) for axis in np.atleast_1d(node.constant(1))]
    return [int(axis) for axis in node.attributes["axes"]] if "axes" in node.attributes else None


def _matrix(node: Node, value: Affine, weight: Array) -> Array:
    if weight.ndim != 2 or len(weight) != value.size:
        raise node.error(f"has weights of shape {weight.shape} for {value.size} numbers")
    return weight


def _row(node: Node, constant: Array) -> Array:
    """A constant that is the same for all points of a batch, as (n,)."""
    if constant.size != (constant.shape[-1] if constant.ndim else 1) or constant.ndim > 2:
        raise node.error(f"has a constant of shape {constant.shape}; only one row for all points, (n,) or (1, n), is supported")
    return constant.reshape(-1)


def _vector(node: Node, constant: Array, value: Affine) -> Array:
    row = _row(node, constant)
    if len(row) not in (1, value.size):
        raise node.error(f"has a constant of shape {constant.shape} for {value.size} numbers")
    return np.broadcast_to(row, (value.size,))


def _common(node: Node, n: int, m: int) -> int:
    if n != m and 1 not in (n, m):
        raise node.error(f"combines {n} and {m} numbers")
    return max(n, m)


def _told(axes: Sequence[int]) -> str:
    return "(" + ", ".join("batch" if size == BATCH else str(size) for size in axes) + ")"


_OPERATORS: Mapping[str, Callable[[Node, Graph], Affine]] = {
    "Add": _add,
    "BatchNormalization": _batch_normalization,
    "Celu": _celu,
    "Cos": _activation(Activation.COS),
    "Div": _div,
    "Elu": _elu,
    "Erf": _activation(Special.ERF),
    "Gelu": _gelu,
    "Gemm": _gemm,
    "LayerNormalization": _layer_normalization,
    "LeakyRelu": _leaky_relu,
    "MatMul": _matmul,
    "Mul": _mul,
    "Neg": _neg,
    "PRelu": _prelu,
    "Pow": _pow,
    "Relu": _activation(Activation.RELU),
    "Selu": _selu,
    "Sigmoid": _activation(Activation.SIGMOID),
    "Sin": _sin,
    "Softplus": _activation(Activation.SOFTPLUS),
    "Sub": _sub,
    "Swish": _swish,
    "Tanh": _activation(Activation.TANH),
}

_RESHAPING: Mapping[str, Callable[[Node], Value]] = {
    "Cast": _cast,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Identity": _same,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
