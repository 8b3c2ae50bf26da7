"""How long it takes to find the inertias of the arm from its torques."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.inverse_dynamics.inertial_data import InertialData
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import InertialLeastSquares
from mpc_controller.identification.inverse_dynamics.inertial_regressor import InertialRegressor
from mpc_controller.identification.inverse_dynamics.physical_consistency import physically_consistent
from robots.arm.dynamics import arm_dynamics
from robots.arm.tasks import HOME

SAMPLES = 10_000
_NOISE = 0.5  # N m


@final
@dataclass(frozen=True)
class InertialTime:
    """Median wall time [s] of a step over `repeats`."""

    step: str
    seconds: float
    repeats: int


def inertial_times(samples: int = SAMPLES, repeats: int = 9, seed: int = 0) -> list[InertialTime]:
    """Least squares on all samples, the same with a robust loss, and the physically consistent refinement; once built."""
    model = arm_dynamics().model
    plain, robust = (InertialLeastSquares(model, loss=loss) for loss in ("squares", "huber"))
    data = [_noisy_motion(plain.regressor, samples, np.random.default_rng(seed))]
    fit = plain.fit(data)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("least squares", lambda: plain.fit(data)),
        ("least squares, robust", lambda: robust.fit(data)),
        ("physically consistent refinement", lambda: physically_consistent(fit)),
    ]
    return [InertialTime(name, _median(step, repeats), repeats) for name, step in steps]


def _noisy_motion(regressor: InertialRegressor, samples: int, random: np.random.Generator) -> InertialData:
    """Multisines about the home posture, 500 samples a second."""
    t = np.arange(samples)[:, None] * 2e-3
    q: Array = np.tile(HOME, (samples, 1))
    v, a = np.zeros_like(q), np.zeros_like(q)
    for harmonic in range(1, 6):
        w = 2 * np.pi * 0.15 * harmonic
        amplitude, phase = random.uniform(0.1, 0.35, 7) / harmonic, random.uniform(0, 2 * np.pi, 7)
        q += amplitude * np.sin(w * t + phase)
        v += amplitude * w * np.cos(w * t + phase)
        a -= amplitude * w**2 * np.sin(w * t + phase)
    tau = regressor.torques(q, v, a, regressor.nominal)
    return InertialData(q, v, a, tau + _NOISE * random.normal(size=tau.shape))


def _median(step: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
