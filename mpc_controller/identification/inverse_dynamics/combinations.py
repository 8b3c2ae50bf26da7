"""Linear combinations of named numbers, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpc_controller.arrays import Array

_LONGEST = 6  # terms; what is left is counted


def combination(names: Sequence[str], coefficients: Array, first: int | None = None) -> str:
    """`a + 0.5 b − 2 c`: terms above a hundredth of the largest, scaled so that the first (if none is named, the largest) has
    coefficient 1, and the others by size."""
    largest = int(np.argmax(np.abs(coefficients)))
    first = largest if first is None else first
    order = [first, *(int(i) for i in np.argsort(-np.abs(coefficients), kind="stable") if i != first)]
    kept = [i for i in order if i == first or abs(coefficients[i]) > 0.01 * abs(coefficients[largest])]
    text = ""
    for i in kept[:_LONGEST]:
        factor = coefficients[i] / coefficients[first]
        sign = ("" if factor > 0 else "−") if not text else (" + " if factor > 0 else " − ")
        size = "" if abs(abs(factor) - 1) < 5e-4 else f"{abs(factor):.3g} "
        text += f"{sign}{size}{names[i]}"
    more = len(kept) - _LONGEST
    return text + (f" and {more} more" if more > 0 else "")
