"""Nodes that change the axes of a value, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mpc_controller.learning.onnx_graph import BATCH, FLOATS, Node, Value, told_axes


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
        raise node.error(f"turns axes {told_axes(given.axes)} into others than (batch, {given.affine.size})")
    return Value(given.affine, (BATCH, given.affine.size))


def _reshape(node: Node) -> Value:
    given, target = _same(node), [int(entry) for entry in node.constant(1)]
    n = given.affine.size
    keeps = 0 if not node.attributes.get("allowzero", 0) and given.axes[0] == BATCH else None
    is_batch = len(target) == 2 and (target[0] in (keeps, node.batch or keeps) or (target[0] == -1 and target[1] != -1))
    if not is_batch or not (target[1] in (n, -1) or (target[1] == keeps and given.axes[1:2] == (n,))):
        raise node.error(f"turns axes {told_axes(given.axes)} into {tuple(target)}; only (-1, {n}) and (0, -1) are supported")
    return Value(given.affine, (BATCH, n))


def _squeeze(node: Node) -> Value:
    given = _same(node)
    rank = len(given.axes)
    axes = _axes(node)
    if axes is None:
        axes = [k for k, size in enumerate(given.axes) if size == 1]
    axes = [axis % rank for axis in axes]
    if any(given.axes[axis] != 1 for axis in axes):
        raise node.error(f"takes axes {axes} away from {told_axes(given.axes)}; only those of size 1 can go")
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


RESHAPING: Mapping[str, Callable[[Node], Value]] = {
    "Cast": _cast,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Identity": _same,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
