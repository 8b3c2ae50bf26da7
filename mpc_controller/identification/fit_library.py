"""The shared library that simulates the windows of one model structure, and its calls."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Sequence
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
# Gaps of nodes are weighed in units of this share of what a state commonly is: 1 in its own unit.
_GAP_SCALE = 1.0


class _Batch(ctypes.Structure):
    """`Batch` of native/kernels/output_error.h."""

    _fields_ = (
        *((name, ctypes.c_longlong) for name in ("steps", "interval", "stride")),
        *((n, ctypes.c_void_p) for n in ("nodes", "measured", "weight", "control", "dt", "dt_slope", "theta", "held")),
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
        self._normal_size = 3 + self.free + self.free**2 + 2 * (self.nres + 1)

    def window(self, batch: WindowBatch, theta: Array, held: Array, threshold: float, derivatives: bool) -> Normal:
        """Cost and, with `derivatives`, normal equations of one batch."""
        lanes, nodes = self.lanes, len(batch.nodes)
        normal = _aligned((self._normal_size, lanes))
        sensitivity = _aligned((max(nodes - 1, 1), self.ndx, self.free + 1, lanes)) if derivatives else _aligned((1,))
        call = self._batch(batch, theta, held, threshold)
        scratch = np.empty(self._scratch_size // 8 + 8)
        self.build.library.oe_window(
            ctypes.byref(call), _address(normal), _address(sensitivity), _address(scratch), ctypes.c_int(derivatives)
        )
        return Normal(normal, sensitivity[: nodes - 1] if derivatives else None, self.free, self.nres)

    def rollout(self, batch: WindowBatch, theta: Array, held: Array, follows: bool) -> Array:
        """States [point, nx, lane] from the first nodes on; see oe_rollout."""
        states = _aligned((len(batch.control), self.nx, self.lanes))
        call = self._batch(batch, theta, held, np.inf)
        scratch = np.empty(self._scratch_size // 8 + 8)
        self.build.library.oe_rollout(ctypes.byref(call), _address(states), _address(scratch), ctypes.c_int(follows))
        return states

    def moved(self, nodes: Array, change: Array) -> Array:
        """Nodes ⊞ change: [node, nx, lane], [node, ndx, lane]."""
        result = _aligned(nodes.shape)
        given = _aligned(change.shape)
        given[...] = change
        scratch = np.empty(self._scratch_size // 8 + 8)
        self.build.library.oe_move(
            _address(nodes), _address(given), _address(result), ctypes.c_longlong(len(nodes)), _address(scratch)
        )
        return result

    def _batch(self, b: WindowBatch, theta: Array, held: Array, threshold: float) -> _Batch:
        arrays = (b.nodes, b.measured, b.weight, b.control, b.dt, b.dt_slope, theta, held)
        call = _Batch(len(b.control), b.interval, b.stride, *(a.ctypes.data for a in arrays), threshold)
        call.alive = arrays  # ctypes keeps addresses only
        return call


@final
class Normal:
    """What a batch of windows gives, lane by lane: cost, shifted cost, gap (lanes,), gradient (lanes, n), hessian (lanes, n, n),
    Σψe² and counts by residual row (nres, lanes), and S of the inner nodes [node, ndx, n + 1, lane]."""

    def __init__(self, raw: Array, sensitivity: Array | None, free: int, nres: int) -> None:
        self.cost, self.shifted, self.gap = raw[0], raw[1], raw[2]
        self.gradient = raw[3 : 3 + free].T
        upper = raw[3 + free : 3 + free + free**2].reshape(free, free, -1).transpose(2, 0, 1)
        self.hessian = np.triu(upper) + np.triu(upper, 1).transpose(0, 2, 1)
        rows = raw[3 + free + free**2 :].reshape(2, nres + 1, -1)
        self.squares, self.counts = rows[0, :nres], rows[1, :nres]
        self.sensitivity = sensitivity


@final
class WindowBatch:
    """The data of as many windows as there are lanes, aligned as the kernel wants them; zeros but for nodes and measurements.

    nodes [node, nx, lane]; measured [sample, ny, lane]; weight [sample, nres, lane]; control [point, nu, lane], dt and
    dt_slope = ∂dt/∂delay [point, 1, lane]. Every `stride`-th point is a sample; `interval` points lie from node to node.
    """

    def __init__(self, nodes: Array, measured: Array, rows: int, controls: int, interval: int, stride: int) -> None:
        samples, _, lanes = measured.shape
        points = (samples - 1) * stride + 1
        self.nodes, self.measured = _copied(nodes), _copied(measured)
        self.weight, self.control = _aligned((samples, rows, lanes)), _aligned((points, controls, lanes))
        self.dt, self.dt_slope = _aligned((points, 1, lanes)), _aligned((points, 1, lanes))
        self.interval, self.stride = interval, stride


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
    lines.append(f"#define GAP_SCALE {{{', '.join([repr(_GAP_SCALE)] * sizes.ndx)}}}")
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
