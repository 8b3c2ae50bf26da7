"""A graph of ONNX while it is read: what its tensors hold, and its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.learning.affine import Affine, Source, Special, source_itself
from mpc_controller.learning.options import LearningError
from mpc_controller.model.residual.network import Activation

BATCH = -1
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
            raise self.error(f"is given axes {told_axes(given.axes)}; only (batch, n) is supported")
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


def told_axes(axes: Sequence[int]) -> str:
    return "(" + ", ".join("batch" if size == BATCH else str(size) for size in axes) + ")"


def one_row(node: Node, constant: Array) -> Array:
    """A constant that is the same for all points of a batch, as (n,)."""
    if constant.size != (constant.shape[-1] if constant.ndim else 1) or constant.ndim > 2:
        raise node.error(f"has a constant of shape {constant.shape}; only one row for all points, (n,) or (1, n), is supported")
    return constant.reshape(-1)


def vector_of(node: Node, constant: Array, value: Affine) -> Array:
    """A constant that has one number for each of the value's, or one for all, as (n,)."""
    row = one_row(node, constant)
    if len(row) not in (1, value.size):
        raise node.error(f"has a constant of shape {constant.shape} for {value.size} numbers")
    return np.broadcast_to(row, (value.size,))
