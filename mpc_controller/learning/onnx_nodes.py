"""What nodes of ONNX graphs do to a value of shape (batch, n). Nodes of constants only are folded before they come here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.learning.affine import Affine
from mpc_controller.learning.onnx_activations import ACTIVATIONS
from mpc_controller.learning.onnx_graph import BATCH, Graph, Node, Operand, Value, one_row, told_axes
from mpc_controller.learning.onnx_products import product_of
from mpc_controller.learning.onnx_shapes import RESHAPING


def evaluate(node: Node, graph: Graph) -> Value:
    """The first output of a node; NetworkImportError where it has no place in a Network."""
    if node.kind in RESHAPING:
        return RESHAPING[node.kind](node)
    if node.kind not in _OPERATORS:
        raise node.error(f"is not supported; supported are {', '.join(sorted((*_OPERATORS, *RESHAPING)))}")
    affine = _OPERATORS[node.kind](node, graph)
    return Value(affine, (BATCH, affine.size))


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
            raise node.error(f"is given axes {told_axes(other.axes)}; only (batch, n) is supported")
        n = _common(node, value.size, other.affine.size)
        return value.spread(n).plus(other.affine.spread(n).scaled(sign))
    vector = one_row(node, np.asarray(other, np.float64))
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
    if not one_row(node, node.constant(1)).all():
        raise node.error("divides by 0")
    return _scaled(node, graph, 0, lambda vector: 1 / vector)


def _scaled(node: Node, graph: Graph, at: int, factors: Callable[[Array], Array]) -> Affine:
    value, vector = graph.kept_together(node.value(at), str(node)), one_row(node, node.constant(1 - at))
    return value.spread(_common(node, value.size, len(vector))).scaled(factors(vector))


def _neg(node: Node, graph: Graph) -> Affine:
    return node.value().scaled(-1)


def _matrix(node: Node, value: Affine, weight: Array) -> Array:
    if weight.ndim != 2 or len(weight) != value.size:
        raise node.error(f"has weights of shape {weight.shape} for {value.size} numbers")
    return weight


def _common(node: Node, n: int, m: int) -> int:
    if n != m and 1 not in (n, m):
        raise node.error(f"combines {n} and {m} numbers")
    return max(n, m)


_OPERATORS: Mapping[str, Callable[[Node, Graph], Affine]] = {
    **ACTIVATIONS,
    "Add": _add,
    "Div": _div,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Mul": _mul,
    "Neg": _neg,
    "Sub": _sub,
}
