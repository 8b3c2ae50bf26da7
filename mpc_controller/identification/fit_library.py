"""The shared library that simulates the windows of one model structure, and its calls."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.sensitivity import Unknowns, fit_functions
from mpc_controller.native.build import Build, Source, build_library
from mpc_controller.native.codegen import generate_c
from mpc_controller.native.lanes import generate_lanes

_KERNELS = ("output_error.h", "linalg.h", "lanes.h")


class _Batch(ctypes.Structure):
    """`Batch` of native/kernels/output_error.h."""

    _fields_ = (
        *((name, ctypes.c_longlong) for name in ("steps", "stride")),
        *((n, ctypes.c_void_p) for n in ("start", "measured", "weight", "control", "dt", "dt_slope", "theta", "held")),
        ("threshold", ctypes.c_double),
    )


@final
class FitLibrary:
    """Compiled (or from the cache) at construction; calls hold no Python lock, and may run in several threads at once.

    Every array has the lanes last: [sample, entry, lane]. Raises CompilerError.
    """

    def __init__(self, unknowns: Unknowns, report: Callable[[str], None] = lambda line: None) -> None:
        functions = fit_functions(unknowns)
        structure = unknowns.structure
        d = structure.dynamics
        self.nx, self.ndx, self.nu, self.ny = d.nx, d.manifold.ndx, d.nu, len(structure.measured)
        self.nt, self.nh, self.nres = len(unknowns.names), len(unknowns.held), len(structure.tangent_indices)
        self.free = self.ndx + self.nt
        header = _header(self, structure.measured_indices, functions)
        key = hashlib.sha256("\0".join([*(f.serialize() for f in functions), header, *_kernel_texts()]).encode()).hexdigest()
        self.build: Build = build_library(f"the fit of {structure.name}", key, lambda: _sources(functions, header), report)
        library = self.build.library
        library.oe_scratch_size.restype = library.oe_lanes.restype = ctypes.c_longlong
        self.lanes = int(library.oe_lanes())
        self._scratch_size = int(library.oe_scratch_size())
        sizes = (1, self.free, self.free**2, self.nres, self.nres, self.nx, self.ndx * self.free)
        self._normal_ends = np.cumsum(sizes)

    def segments(self, batch: SegmentBatch, theta: Array, held: Array, threshold: float, derivatives: bool) -> Normal:
        """Cost, ends and, with `derivatives`, normal equations of one batch."""
        normal = _aligned((int(self._normal_ends[-1]), self.lanes))
        call, scratch = self._batch(batch, theta, held, threshold), self._scratch()
        self.build.library.oe_segment(ctypes.byref(call), _address(normal), _address(scratch), ctypes.c_int(derivatives))
        cost, gradient, hessian, squares, counts, end, S = np.split(normal, self._normal_ends[:-1])
        upper = hessian.reshape(self.free, self.free, -1).transpose(2, 0, 1)
        return Normal(
            cost[0],
            gradient.T,
            np.triu(upper) + np.triu(upper, 1).transpose(0, 2, 1),
            squares,
            counts,
            end.T,
            S.reshape(self.ndx, self.free, -1).transpose(2, 0, 1),
        )

    def rollout(self, batch: SegmentBatch, theta: Array, held: Array, follows: bool) -> Array:
        """States [sample, nx, lane] from the starts on; see oe_rollout."""
        states = _aligned((len(batch.measured), self.nx, self.lanes))
        call, scratch = self._batch(batch, theta, held, np.inf), self._scratch()
        self.build.library.oe_rollout(ctypes.byref(call), _address(states), _address(scratch), ctypes.c_int(follows))
        return states

    def _scratch(self) -> Array:
        return np.empty(self._scratch_size // 8 + 8)

    def _batch(self, b: SegmentBatch, theta: Array, held: Array, threshold: float) -> _Batch:
        arrays = (b.start, b.measured, b.weight, b.control, b.dt, b.dt_slope, theta, held)
        call = _Batch(len(b.control), b.stride, *(a.ctypes.data for a in arrays), threshold)
        call.alive = arrays  # ctypes keeps addresses only
        return call


@final
@dataclass(frozen=True)
class Normal:
    """What a batch of segments gives, lane by lane.

    cost (lanes,), gradient (lanes, n), hessian (lanes, n, n), Σψe² and counts by residual row (nres, lanes), the states at the
    ends (lanes, nx), and how they change with initial state and θ (lanes, ndx, n).
    """

    cost: Array
    gradient: Array
    hessian: Array
    squares: Array
    counts: Array
    end: Array
    sensitivity: Array


@final
class SegmentBatch:
    """The data of as many segments as there are lanes, aligned as the kernel wants them; zeros but for the measurements.

    start [nx, lane]; measured [sample, ny, lane]; weight [sample, nres, lane]; control [step, nu, lane], dt and
    dt_slope = ∂dt/∂delay [step, 1, lane]. Every `stride`-th step begins at a sample.
    """

    def __init__(self, states: int, measured: Array, rows: int, controls: int, stride: int) -> None:
        samples, _, lanes = measured.shape
        self.start, self.measured = _aligned((states, lanes)), _copied(measured)
        self.weight, self.control = _aligned((samples, rows, lanes)), _aligned((samples * stride, controls, lanes))
        self.dt, self.dt_slope = _aligned((samples * stride, 1, lanes)), _aligned((samples * stride, 1, lanes))
        self.stride = stride


def _copied(array: Array) -> Array:
    result = _aligned(array.shape)
    result[...] = array
    return result


def _aligned(shape: tuple[int, ...]) -> Array:
    """Zeros that start on a cache line."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 8)
    start = (-raw.ctypes.data // 8) % 8
    return raw[start : start + size].reshape(shape)


def _address(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _kernel_texts() -> list[str]:
    folder = Path(str(files("mpc_controller.native") / "kernels"))
    return [(folder / name).read_text() for name in _KERNELS]


def _sources(functions: Sequence[ca.Function], header: str) -> Sequence[Source]:
    kernels = [Source(name, text) for name, text in zip(_KERNELS, _kernel_texts(), strict=True)]
    lanes = generate_lanes(functions)
    sources = [*kernels, Source("fit.h", header), Source("fit.c", '#include "output_error.h"\n')]
    if lanes is not None:
        return [*sources, Source("functions.c", lanes, "-O1")]
    return [*sources, Source("functions.c", generate_c(functions), "-O1"), Source("lane_by_lane.c", _lane_by_lane(functions))]


def _lane_by_lane(functions: Sequence[ca.Function]) -> str:
    """Functions without a translation into vectors, called once a lane."""
    lines = ['#include "fit.h"', '#include "linalg.h"']
    for f in functions:
        name = f.name()
        lines.append(f"int {name}(const double **, double **, long long *, double *, int);")
        lines.append(f"int {name}_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem) {{")
        inputs = [f.nnz_in(i) for i in range(f.n_in())]
        outputs = [f.nnz_out(i) for i in range(f.n_out())]
        lines += [f"    double in{i}[{max(n, 1)}];" for i, n in enumerate(inputs)]
        lines += [f"    double out{i}[{max(n, 1)}];" for i, n in enumerate(outputs)]
        lines.append(f"    double work[{f.sz_w() + 1}]; long long integers[{f.sz_iw() + 1}];")
        lines.append(f"    const double *from[{f.sz_arg() + 1}]; double *to[{f.sz_res() + 1}];")
        lines.append("    for (int lane = 0; lane < LANES; lane++) {")
        for i, n in enumerate(inputs):
            lines.append(f"        for (int k = 0; k < {n}; k++) in{i}[k] = arg[{i}][k][lane];")
            lines.append(f"        from[{i}] = in{i};")
        lines += [f"        to[{i}] = out{i};" for i in range(len(outputs))]
        lines.append(f"        if ({name}(from, to, integers, work, 0)) return 1;")
        lines += [f"        for (int k = 0; k < {n}; k++) res[{i}][k][lane] = out{i}[k];" for i, n in enumerate(outputs)]
        lines += ["    }", "    return 0;", "}"]
    return "\n".join(lines) + "\n"


def _header(sizes: FitLibrary, measured: Sequence[int], functions: Sequence[ca.Function]) -> str:
    """fit.h: sizes, and the structural nonzeros of the derivatives."""
    by_name = {f.name(): f for f in functions}
    step, output = by_name["oe_step"], by_name["oe_output"]
    numbers = {
        "NX": sizes.nx,
        "NDX": sizes.ndx,
        "NU": sizes.nu,
        "NY": sizes.ny,
        "NT": sizes.nt,
        "NH": sizes.nh,
        "NRES": sizes.nres,
        "WORK_SIZE": max(f.sz_w() for f in functions) + 1,
        "ARG_SIZE": max(f.sz_arg() for f in functions) + 1,
        "RES_SIZE": max(f.sz_res() for f in functions) + 1,
    }
    lines = ["#pragma once", *(f"#define {name} {value}" for name, value in numbers.items())]
    lines += _pattern("STEP_A", step.sparsity_out(1)) + _pattern("STEP_P", step.sparsity_out(2))
    lines += _pattern("OUT_C", output.sparsity_out(1)) + _pattern("OUT_D", output.sparsity_out(2))
    lines.append(f"#define MEASURED_STATE {{{', '.join(map(str, measured))}}}")
    return "\n".join(lines) + "\n"


def _pattern(name: str, sparsity: ca.Sparsity) -> list[str]:
    """How many nonzeros, and row, column and place of each, sorted by row."""
    rows, columns = sparsity.get_triplet()
    order = sorted(range(len(rows)), key=lambda k: (rows[k], columns[k]))
    if name.startswith("STEP"):
        order = list(range(len(rows)))
    tables = (("ROW", [rows[k] for k in order]), ("COLUMN", [columns[k] for k in order]), ("PLACE", order))
    lines = [f"#define {name} {len(rows)}"]
    lines += [f"static const int {name}_{part}[] = {{{', '.join(map(str, values or [0]))}}};" for part, values in tables]
    return lines
