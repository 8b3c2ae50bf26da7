"""Percentiles of a stream of times, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

_SMALLEST = 0.1
_GROWTH = 1.01  # a percentile is exact to 1 %
_BINS = 2400  # up to 0.1 · 1.01^2400, about 2e9: in microseconds half an hour


@final
@dataclass(frozen=True)
class Percentiles:
    """p50, p99, the largest value and p99.9; zeros when there was none."""

    p50: float
    p99: float
    max: float
    p999: float = 0.0


@final
class Distribution:
    """A histogram with bins that grow by 1 % from 0.1 on."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, dtype=np.int64)
        self._largest = 0.0

    def add(self, value: float) -> None:
        """Count a value of at least 0."""
        position = int(math.log(value / _SMALLEST) / math.log(_GROWTH)) if value > _SMALLEST else 0
        self._counts[min(position, _BINS - 1)] += 1
        self._largest = max(self._largest, value)

    def percentiles(self) -> Percentiles:
        """The upper edge of the bin that each percentile falls into, never above the largest value."""
        total = int(self._counts.sum())
        if total == 0:
            return Percentiles(0.0, 0.0, 0.0)
        cumulated = np.cumsum(self._counts)
        p50, p99, p999 = (
            min(_SMALLEST * _GROWTH ** (int(np.searchsorted(cumulated, q * total)) + 1), self._largest)
            for q in (0.50, 0.99, 0.999)
        )
        return Percentiles(p50, p99, self._largest, p999)
