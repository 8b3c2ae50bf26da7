"""A learned residual as compiled code, for any number of points: validation, benchmarks, the estimator."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.residual.residual import Residual, ResidualShape
from mpc_controller.native.build import Source, build_library
from mpc_controller.native.residual_code import KERNELS, PackedResidual, aligned_bytes, pack, residual_header

_ENTRY = """#include "residual.h"
long long residual_memory_size(void) { return sizeof(ResidualMemory); }
void residual_points(ResidualMemory *m, const double *numbers, const float *weights, const double *z, long long count,
                     double *r, double *jacobian, double *gates) {
    const ResidualData data = {numbers, weights};
    for (long long k = 0; k < count; k += RESIDUAL_BATCH) {
        const int n = count - k < RESIDUAL_BATCH ? (int)(count - k) : RESIDUAL_BATCH;
        if (jacobian) residual_jacobians(m, &data, z + k * RZ, n, r + k * RR, jacobian + k * RR * RZ, gates + k);
        else residual_values(m, &data, z + k * RZ, n, r + k * RR, gates + k);
    }
}
"""


@final
class NativeResidual:
    """Values and Jacobians of residuals of one shape: kernels/residual.h, compiled once for the shape and kept.

    `batch` points go through the layers together. One foreign call, without the GIL, for all points; calls from several threads
    take turns. Raises CompilerError when it cannot be built.
    """

    def __init__(self, shape: ResidualShape, report: Callable[[str], None] = lambda line: None, *, batch: int = 32) -> None:
        self.shape = shape
        header = residual_header(shape, batch)
        kernels = files("mpc_controller.native") / "kernels"
        texts = {name: (kernels / name).read_text() for name in KERNELS}
        self.build = build_library(
            "a learned residual",
            "\0".join([header, _ENTRY, *texts.values()]),
            lambda: [
                *(Source(name, text) for name, text in texts.items()),
                Source("residual_sizes.h", header),
                Source("points.c", _ENTRY),
            ],
            report,
        )
        library = self.build.library
        library.residual_memory_size.restype = ctypes.c_longlong
        library.residual_points.restype = None
        library.residual_points.argtypes = [*[ctypes.c_void_p] * 4, ctypes.c_longlong, *[ctypes.c_void_p] * 3]
        self._memory = aligned_bytes(library.residual_memory_size())
        self._memory_address = self._memory.ctypes.data
        self._points_at: _Points | None = None
        self._lock = threading.Lock()

    def values(self, residual: Residual | PackedResidual, z: Array) -> tuple[Array, Array]:
        """r (K, nr) and gates (K,) at z (K, nz)."""
        r, gates, _ = self._points(residual, z, derivatives=False)
        return r, gates

    def jacobians(self, residual: Residual | PackedResidual, z: Array) -> tuple[Array, Array, Array]:
        """r (K, nr), ∂r/∂z (K, nr, nz) and gates (K,) at z (K, nz)."""
        r, gates, jacobian = self._points(residual, z, derivatives=True)
        return r, jacobian, gates

    def _points(self, residual: Residual | PackedResidual, z: Array, *, derivatives: bool) -> tuple[Array, Array, Array]:
        if isinstance(residual, Residual):
            if residual.shape != self.shape:
                raise ValueError(f"NativeResidual of {self.shape}: given one of {residual.shape}")
            residual = pack(residual)
        if z.ndim != 2 or z.shape[1] != self.shape.nz:
            raise ValueError(f"NativeResidual: z has shape {z.shape}; it must be (K, {self.shape.nz})")
        with self._lock:
            if self._points_at is None or len(self._points_at.z) != len(z):
                self._points_at = _Points.of(self.shape, len(z))
            at = self._points_at
            at.z[:] = z
            numbers, weights = residual.addresses
            jacobian_address = at.jacobian_address if derivatives else None
            self.build.library.residual_points(
                self._memory_address, numbers, weights, at.z_address, len(z), at.r_address, jacobian_address, at.gates_address
            )
            return at.r.copy(), at.gates.copy(), at.jacobian.copy() if derivatives else np.empty(0)


@final
@dataclass(frozen=True, eq=False)
class _Points:
    """Arrays of so many points, and where they lie: asking NumPy for an address takes a microsecond each."""

    z: Array
    r: Array
    gates: Array
    jacobian: Array
    z_address: int
    r_address: int
    gates_address: int
    jacobian_address: int

    @staticmethod
    def of(shape: ResidualShape, count: int) -> _Points:
        z, r = np.empty((count, shape.nz)), np.empty((count, shape.nr))
        gates, jacobian = np.empty(count), np.empty((count, shape.nr, shape.nz))
        return _Points(z, r, gates, jacobian, z.ctypes.data, r.ctypes.data, gates.ctypes.data, jacobian.ctypes.data)
