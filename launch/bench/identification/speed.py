"""How long identification takes, against the targets: processor time on one core, with everything compiled before."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from launch.bench.identification.kernel_rate import kernel_rate
from launch.bench.identification.simulated_flight import Machine, crazyflie, fly, quadrotor
from launch.bench.inertial import SAMPLES, inertial_times
from launch.bench.pinned import pinned
from mpc_controller.identification.identify import IdentifyOptions, output_error
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions

_LEAST_SQUARES_S, _REFINEMENT_S, _OUTPUT_ERROR_S = 0.3, 3.0, 5.0  # targets
_INERTIAL_TARGETS: Final = {"least squares": _LEAST_SQUARES_S, "physically consistent refinement": _REFINEMENT_S}
_FLIGHT_S = 60.0
_Row = dict[str, Any]


def speed_rows(progress: Callable[[str], None], *, is_quick: bool) -> list[_Row]:
    """Least squares and refinement of the arm; output error of two quadrotors, and how busy that keeps the core."""
    progress("inertias of the arm")
    samples = SAMPLES // 20 if is_quick else SAMPLES
    with pinned():
        times = inertial_times(samples, 1 if is_quick else 9)
    rows = [_row(f"arm, {t.step}", f"7 joints, {samples} samples", t.seconds, _INERTIAL_TARGETS.get(t.step)) for t in times]
    for make in (quadrotor, crazyflie):
        rows += _flight_rows(make(), _FLIGHT_S / 20 if is_quick else _FLIGHT_S, 1 if is_quick else 3, progress)
    return rows


def _flight_rows(machine: Machine, duration_s: float, repeats: int, progress: Callable[[str], None]) -> list[_Row]:
    """The fit, and all of `mpc identify` that gives intervals; then one pass over all windows with derivatives."""
    structure, options = machine.structure, OutputErrorOptions(threads=1)
    progress(f"{structure.name}: flying")
    log, fit = fly(machine, duration_s), OutputError(structure, progress)
    data = f"{len(fit.unknowns.names)} unknowns, {duration_s:g} s at {1 / machine.period_s:.0f} Hz"
    fits, all_of_it = [], []
    for repeat in range(repeats):
        progress(f"{structure.name}: fit {repeat + 1} of {repeats}")
        with pinned():
            begun = time.process_time()
            optimum = fit.fit([log], options)
            fits.append(time.process_time() - begun)
            begun = time.process_time()
            output_error(fit, [log], IdentifyOptions(output_error=options))
            all_of_it.append(time.process_time() - begun)
    name = f"{structure.name}, output error"
    return [
        {**_row(name, data, statistics.median(fits), _OUTPUT_ERROR_S), "iterations": optimum.iterations},
        _row(f"{name}, with intervals", data, statistics.median(all_of_it), None),
        {"kind": "rate", "name": structure.name, **kernel_rate(fit, optimum, progress)},
    ]


def _row(name: str, data: str, seconds: float, target_s: float | None) -> _Row:
    is_met = None if target_s is None else seconds <= target_s
    return {"kind": "speed", "name": name, "data": data, "seconds": seconds, "target_s": target_s, "met": is_met}
