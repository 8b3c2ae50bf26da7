"""What the kernels of learned residuals are told: sizes and tables as C text, numbers and weights in their layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.model.residual.network import NO_SKIP, Activation, Array32, Network, NetworkShape
from mpc_controller.model.residual.residual import Residual, ResidualShape

_PANEL = 32  # columns of a panel of weights (kernels/network.h)
_OVERRUN = 32  # numbers behind the last panel that a tile of two vectors may read
KERNELS = ("linalg.h", "vector_math.h", "network.h", "residual.h")


@final
@dataclass(frozen=True, eq=False)
class PackedResidual:
    """`numbers` (float64) and `weights` (float32) of kernels/residual.h; their sizes depend on the shape alone."""

    numbers: Array
    weights: Array32

    @cached_property
    def addresses(self) -> tuple[int, int]:
        """Of both, in memory."""
        return self.numbers.ctypes.data, self.weights.ctypes.data


def residual_header(shape: ResidualShape, batch: int) -> str:
    """residual_sizes.h for a shape, with at most `batch` points a call."""
    layers = shape.network.layers
    sizes = [shape.nz, *(layer.outputs for layer in layers)]
    widths = [_padded(size) for size in sizes]
    places, per_member = _places(shape.network)
    has_skips = any(layer.skip != NO_SKIP for layer in layers)
    constants = {
        "RESIDUAL_BATCH": batch,
        "RESIDUAL_MEMBERS": shape.members,
        "RESIDUAL_DISSIPATIVE": int(bool(shape.conjugate)),
        "RZ": shape.nz,
        "RR": shape.nr,
        "NET_LAYERS": len(layers),
        "NET_WIDEST": max(widths),
        "NET_WIDTHS": sum(widths),
        "NET_SWEEPS": len(sizes) if has_skips else 2,
        "NET_WEIGHTS": per_member,
    }
    kinds = list(Activation)
    lines = ["#pragma once", *(f"#define {name} {value}" for name, value in constants.items())]
    lines += [
        _table("NET_SIZE", sizes),
        _table("NET_FIRST", np.cumsum([0, *widths[:-1]]).tolist()),
        _table("NET_PACKED", places),
        _table("NET_ACTIVATION", [kinds.index(layer.activation) for layer in layers]),
        _table("NET_ALPHA", [layer.constant for layer in layers], "float"),
        _table("NET_SKIP", [layer.skip for layer in layers]),
        _table("RESIDUAL_CONJUGATE", shape.conjugate),
    ]
    return "\n".join(lines) + "\n"


def pack(residual: Residual) -> PackedResidual:
    """A residual in the layout of its shape's header."""
    guard, scale = residual.guard, 1 / residual.scale
    symmetric = (guard.precision + guard.precision.T) / (2 * guard.density_limit)
    numbers = np.concatenate(
        [
            *(residual.center, scale, guard.lower, guard.upper, 1 / guard.fade, symmetric.ravel()),
            *(1 / (residual.shape.nr * guard.disagreement), guard.bound, [residual.strength]),
        ]
    )
    weights = [part for network in residual.networks for part in _packed_network(network)]
    packed = _aligned_floats(sum(part.size for part in weights) + _OVERRUN)
    np.concatenate(weights, out=packed[:-_OVERRUN])
    return PackedResidual(numbers, packed)


def silent(shape: ResidualShape) -> PackedResidual:
    """No correction anywhere: what a solver has before a residual is loaded."""
    numbers = np.zeros(5 * shape.nz + shape.nz**2 + 2 * shape.nr + 1)
    return PackedResidual(numbers, _aligned_floats(shape.members * _places(shape.network)[1] + _OVERRUN))


def _packed_network(network: Network) -> list[Array32]:
    """Layer by layer: bias, panels forwards (inputs × outputs), panels backwards (outputs × inputs)."""
    parts: list[Array32] = []
    for layer, weight, bias in zip(network.shape.layers, network.weights, network.biases, strict=True):
        if layer.activation is Activation.GAUSSIAN:
            bias = np.asarray(-np.sum(weight.astype(np.float64) ** 2, axis=1) / 2, dtype=np.float32)
        padded = np.zeros(_padded(layer.outputs), np.float32)
        padded[: layer.outputs] = bias
        parts += [padded, *_panels(weight.T), *_panels(weight)]
    return parts


def _panels(matrix: Array32) -> list[Array32]:
    """(rows, columns) as panels of 32 columns, each row-major and whole; the last of 16 where that is enough."""
    rows, columns = matrix.shape
    wide = np.zeros((rows, _padded(columns)), np.float32)
    wide[:, :columns] = matrix
    return [wide[:, start : start + _PANEL].ravel() for start in range(0, wide.shape[1], _PANEL)]


def aligned_bytes(size: int) -> npt.NDArray[np.uint8]:
    """Zeros that start at a multiple of 64 bytes, as vectors want it."""
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def _aligned_floats(count: int) -> Array32:
    return aligned_bytes(4 * count).view(np.float32)


def _places(shape: NetworkShape) -> tuple[list[int], int]:
    """Where each layer starts among a network's packed weights, and how many there are."""
    sizes = [_padded(layer.outputs) * (1 + layer.inputs) + layer.outputs * _padded(layer.inputs) for layer in shape.layers]
    ends = np.cumsum([0, *sizes]).tolist()
    return ends[:-1], ends[-1]


def _padded(size: int) -> int:
    """Whole vectors of the longest kind, in floats."""
    return (size + 15) // 16 * 16


def _table(name: str, values: Sequence[float], kind: str = "int") -> str:
    """A constant array; C wants at least one entry."""
    return f"static const {kind} {name}[] = {{{', '.join(map(str, values or [0]))}}};"
