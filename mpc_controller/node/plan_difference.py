"""Whether two plans are the same to the last bit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, final

import numpy as np

from mpc_controller.bus.messages import Plan

# Times of the wall clock, the name that the solver was given, and whether the controller was told to take over.
_NOT_COMPARED = ("solve_time_ns", "loop_time_ns", "deadline_missed", "solver", "claim")


@final
@dataclass(frozen=True)
class Difference:
    """A field of a plan that came out otherwise, by at most `largest` (inf where it is no number, not finite on one side, or of
    another shape)."""

    epoch: int
    sequence: int
    field: str
    largest: float


def differences(recorded: Plan, replayed: Plan) -> list[Difference]:
    """Field by field; what tells of the wall clock is left out."""
    compared = (f.name for f in fields(Plan) if f.name not in _NOT_COMPARED)
    return [d for name in compared if (d := _difference(recorded, replayed, name)) is not None]


def _difference(recorded: Plan, replayed: Plan, name: str) -> Difference | None:
    a, b = getattr(recorded, name), getattr(replayed, name)
    if _is_same(a, b):
        return None
    return Difference(recorded.epoch, recorded.sequence, name, _distance(a, b))


def _is_same(a: Any, b: Any) -> bool:
    """To the last bit; NaN is NaN."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_is_same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray | float):
        a, b = np.asarray(a), np.asarray(b)
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return False
        same = a == b if a.dtype != np.float64 else (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))
        return bool(np.all(same))
    return bool(a == b)


def _distance(a: Any, b: Any) -> float:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return max((_distance(a[key], b[key]) for key in a), default=0.0) if a.keys() == b.keys() else math.inf
    if not isinstance(a, int | float | np.ndarray) or np.shape(a) != np.shape(b):
        return math.inf
    with np.errstate(invalid="ignore"):  # inf − inf
        largest = float(np.max(np.abs(np.asarray(a) - np.asarray(b))))
    return math.inf if math.isnan(largest) else largest
