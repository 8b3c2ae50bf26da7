"""Windows a second of the native core, and what share that is of what the core's arithmetic could do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from launch.bench.flops import operations_of, peak_gflops
from launch.bench.pinned import pinned
from mpc_controller.identification.output_error import Optimum, OutputError
from mpc_controller.identification.sensitivity import fit_functions

_PASSES = 5


def kernel_rate(fit: OutputError, optimum: Optimum, progress: Callable[[str], None]) -> dict[str, Any]:
    """Best of some passes over all windows with derivatives, on one core. Lanes that only fill up a batch do not count."""
    windows, library = optimum.windows, fit.library
    per_step, per_sample = operations(fit)
    batch = windows.batches[0]
    steps = sum(min(s.end, windows.windows[s.window].end - 1) - s.first for s in windows.segments)
    total = steps * (batch.stride * per_step + per_sample)
    windows.start(windows.nodes)
    best = float("inf")
    progress(f"{fit.structure.name}: all windows, again and again")
    with pinned():
        for _ in range(_PASSES):
            begun = time.perf_counter()
            for batch in windows.batches:
                library.segments(batch, optimum.theta, fit.held(), 3.0, True)
            best = min(best, time.perf_counter() - begun)
    peak = peak_gflops(progress)
    return {
        "windows": windows.count,
        "samples": windows.windows[0].end - windows.windows[0].first,
        "windows_per_s": windows.count / best,
        "operations_per_window": total / windows.count,
        "gflops": total / best * 1e-9,
        "peak_gflops": peak,
        "share": total / best * 1e-9 / peak,
    }


def operations(fit: OutputError) -> tuple[int, int]:
    """Additions, multiplications and calls of the mathematical library of one step with its sensitivities, and of one sample's
    share of the normal equations: of the generated functions as CasADi counts them, and of the loops in output_error.h.
    """
    functions = {f.name(): f for f in fit_functions(fit.unknowns)}
    step, output, free = functions["oe_step"], functions["oe_output"], fit.library.free
    carried = 2 * free * step.nnz_out(1) + step.nnz_out(2)
    seen = (2 * free + 1) * output.nnz_out(1) + 2 * output.nnz_out(2)
    normal = fit.library.nres * (free * (free + 1) + 3 * free + 8)  # H, g and ψ J; and the loss
    return operations_of(step) + carried, operations_of(output) + seen + normal
