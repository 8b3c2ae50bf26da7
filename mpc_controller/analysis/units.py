"""How names with units, such as position_m, are shown to people."""

from __future__ import annotations

import math

# Ending of a name: unit for the eye, and the factor to it. Longer endings first.
_UNITS = {
    "_rad_s": ("°/s", math.degrees(1.0)),
    "_m_s": ("m/s", 1.0),
    "_rad": ("°", math.degrees(1.0)),
    "_m": ("cm", 100.0),
}


def shown_quantity(name: str) -> tuple[str, str, float]:
    """Title, unit for the eye, and the factor to it: position_m → ("position", "cm", 100)."""
    for ending, (unit, scale) in _UNITS.items():
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " "), unit, scale
    return name.replace("_", " "), "", 1.0
