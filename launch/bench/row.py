"""What one measurement says: a row of the table and of the JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np

from mpc_controller.arrays import Array


@final
class Mode(StrEnum):
    """How a solver is called."""

    RTI = "rti"  # closed loop, one iteration a step
    COLD = "cold"  # to convergence, from the problem's own start
    WARM = "warm"  # closed loop, every step to convergence
    ITERATION = "iteration"  # closed loop, one iteration of a differential dynamic programme


@final
@dataclass(frozen=True)
class Row:
    """Times are of the whole call, Python included (see Stopwatch); what was not measured is NaN or None.

    `iterations` and `sweeps` (of the programmes inside) are means a solve. `cost` is the plan's objective where the mode is
    cold, else the mean of `costs`: of each finished episode, the path cost along the plant's way. `violation` is the largest
    of any usable plan, recomputed from the problem, but where a solver has dynamics of its own. `failures` counts, among
    `solves`, those that ended without a usable plan or, where they go to convergence, without convergence. `build_s` is a first
    build, `cached_s` the same from the cache. `peer`: somebody else's solver. `interrupted`: calls that lost the core
    meanwhile. `note` says what else there is to know.
    """

    problem: str
    solver: str
    mode: Mode
    median_us: float = math.nan
    p99_us: float = math.nan
    max_us: float = math.nan
    iterations: float = math.nan
    sweeps: float = math.nan
    cost: float = math.nan
    violation: float = math.nan
    failures: int = 0
    build_s: float | None = None
    cached_s: float | None = None
    peer: bool = False
    solves: int = 0
    interrupted: int = 0
    costs: tuple[float, ...] = ()
    note: str = ""


def times_of(micros: Array) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum; NaN where nothing was timed."""
    if not len(micros):
        return (np.nan,) * 3
    return float(np.median(micros)), float(np.percentile(micros, 99)), float(micros.max())
