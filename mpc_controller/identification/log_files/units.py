"""Units as products of powers, and the factor from one to another."""

from __future__ import annotations

import math
import re

# Powers of kg, m, s, A, rad. The angle counts: degrees become radians, but never metres.
_Dimension = tuple[int, int, int, int, int]
_NONE: _Dimension = (0, 0, 0, 0, 0)
# Name: factor to SI, dimension, and whether k, c, m, µ, ... may stand before it.
_BASE: dict[str, tuple[float, _Dimension, bool]] = {
    "g": (1e-3, (1, 0, 0, 0, 0), True),
    "m": (1.0, (0, 1, 0, 0, 0), True),
    "s": (1.0, (0, 0, 1, 0, 0), True),
    "A": (1.0, (0, 0, 0, 1, 0), True),
    "rad": (1.0, (0, 0, 0, 0, 1), True),
    "N": (1.0, (1, 1, -2, 0, 0), True),
    "J": (1.0, (1, 2, -2, 0, 0), True),
    "W": (1.0, (1, 2, -3, 0, 0), True),
    "V": (1.0, (1, 2, -3, -1, 0), True),
    "Hz": (1.0, (0, 0, -1, 0, 0), True),
    "min": (60.0, (0, 0, 1, 0, 0), False),
    "h": (3600.0, (0, 0, 1, 0, 0), False),
    "t": (1e3, (1, 0, 0, 0, 0), False),
    "in": (0.0254, (0, 1, 0, 0, 0), False),
    "ft": (0.3048, (0, 1, 0, 0, 0), False),
    "lb": (0.45359237, (1, 0, 0, 0, 0), False),
    "g0": (9.80665, (0, 1, -2, 0, 0), False),  # standard gravity, as accelerometers give it
    "kgf": (9.80665, (1, 1, -2, 0, 0), False),
    "gf": (9.80665e-3, (1, 1, -2, 0, 0), False),
    "deg": (math.pi / 180, (0, 0, 0, 0, 1), True),
    "°": (math.pi / 180, (0, 0, 0, 0, 1), False),
    "rev": (2 * math.pi, (0, 0, 0, 0, 1), False),
    "rpm": (2 * math.pi / 60, (0, 0, -1, 0, 1), False),
    "rps": (2 * math.pi, (0, 0, -1, 0, 1), False),
    "%": (0.01, _NONE, False),
    "1": (1.0, _NONE, False),
}
_PREFIX = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "k": 1e3, "M": 1e6}
_POWERS = str.maketrans("⁻⁰¹²³⁴", "-01234")
_EXAMPLES = "m, mm, s, ms, rad, deg, deg/s, rpm, kg, g, N, N m, V, mA, %, 1/65535"


class UnitError(ValueError):
    """A unit that is not known, or one that cannot become the other."""


def conversion(given: str, wanted: str) -> float:
    """The factor from one unit to another: deg, rad → π/180. "" and "1/65535" are ratios.

    Every factor after a "/" divides alone: N m s/rad, m/s². Raises UnitError.
    """
    factor, dimension = _parsed(given)
    into, valid = _parsed(wanted)
    if dimension != valid:
        raise UnitError(f"unit '{given}' cannot become '{wanted}'")
    return factor / into


def _parsed(unit: str) -> tuple[float, _Dimension]:
    factor, powers = 1.0, list(_NONE)
    for sign, text in re.findall(r"(/?)\s*([^\s/·*]+)", unit):
        if sign and re.fullmatch(r"\d+", text) and int(text) > 0:
            factor /= int(text)
            continue
        scale, dimension, power = _symbol(text, unit)
        power = -power if sign else power
        factor *= scale**power
        powers = [total + power * entry for total, entry in zip(powers, dimension, strict=True)]
    return factor, (powers[0], powers[1], powers[2], powers[3], powers[4])


def _symbol(text: str, unit: str) -> tuple[float, _Dimension, int]:
    """Factor, dimension and power of one symbol such as "mm²" or "s^-2"."""
    parts = re.fullmatch(r"(1|%|°|[A-Za-zµμ]+0?)(?:\^?(-?\d))?", text.translate(_POWERS))
    if parts is not None:
        name, power = parts[1], int(parts[2] or 1)
        if name in _BASE:
            return *_BASE[name][:2], power
        if name[:1] in _PREFIX and _BASE.get(name[1:], (0.0, _NONE, False))[2]:
            return _PREFIX[name[0]] * _BASE[name[1:]][0], _BASE[name[1:]][1], power
    raise UnitError(f"unit '{unit}' is not known; units are built like {_EXAMPLES}")
