"""What a number that is outside its bounds was probably meant to be, in the right unit."""

from __future__ import annotations

import math

# By what unit: factors from a slip to the unit itself.
_THOUSANDS = (1e-3, 1e3, 1e-6, 1e6)
_ANGLES = (math.pi / 180, 180 / math.pi)
# Bounds that span more than this let a thousandth of almost any number in.
_WIDEST = 1e3


def likely_meant(value: float, unit: str, lower: float, upper: float) -> float | None:
    """The value in `unit`, if it is within the bounds once thousands (g, mm) or degrees are put right, and in one way only.

    None where the bounds are too wide to tell.
    """
    bounds = sorted((abs(lower), abs(upper)))
    apart = lower * upper > 0 and bounds[1] <= _WIDEST * bounds[0]
    angle = "rad" in unit
    if not unit or not math.isfinite(value) or not math.isfinite(bounds[1]) or not (apart or angle):
        return None
    factors = (*(_THOUSANDS if apart else ()), *(_ANGLES if angle else ()))
    fitting = [value * factor for factor in factors if lower <= value * factor <= upper]
    return fitting[0] if len(fitting) == 1 else None
