"""Numbers for people: as many digits as the interval makes worth reading."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

from mpc_controller.identification.fit import Estimated

UNKNOWN: Final = "–"
_PLAIN: Final = range(-3, 5)  # powers of ten that are shown without an exponent: 0.001 to 99999
_MOST_DIGITS: Final = 8


@final
@dataclass(frozen=True)
class ShownEstimate:
    """The numbers of one row: estimate and ends of the interval stop at the same digit and share their exponent."""

    nominal: str
    estimate: str
    low: str
    high: str
    change: str

    @property
    def interval(self) -> str:
        return UNKNOWN if self.low == UNKNOWN else f"[{self.low}, {self.high}]"


def shown(value: float, digits: int = 3) -> str:
    """A value with so many significant digits: 0.0284, 1.66e-05, 95.1; whole numbers below 100000 keep all of theirs."""
    if not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    power = _power(float(f"{value:.{digits - 1}e}"))  # rounding may carry: 9.996 → 10.0
    return _written(value, min(0, power - digits + 1) if power in _PLAIN else power - digits + 1, power)


def short(value: float, digits: int = 4) -> str:
    """The same without zeros at the end: 0.027, not 0.02700."""
    mantissa, e, exponent = shown(value, digits).partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa + e + exponent


def shown_estimate(entry: Estimated) -> ShownEstimate:
    """Two significant digits of the half-width decide where all three numbers stop: 0.02841 in [0.02810, 0.02872].

    An estimate that would vanish beside its interval keeps two digits of its own. Without an interval there are four.
    """
    nominal, change = short(entry.nominal), shown_change(entry.nominal, entry.value)
    if not (0 < entry.half_width < math.inf and math.isfinite(entry.value)):
        return ShownEstimate(nominal, shown(entry.value, 4), UNKNOWN, UNKNOWN, change)
    low, high = entry.interval
    power = _power(max(abs(low), abs(high)))
    place = max(_power(float(f"{entry.half_width:.1e}")) - 1, power - _MOST_DIGITS + 1)
    vanishes = entry.value != 0 and _power(entry.value) < place
    estimate = shown(entry.value, 2) if vanishes else _written(entry.value, place, power)
    return ShownEstimate(nominal, estimate, _written(low, place, power), _written(high, place, power), change)


def shown_change(before: float, after: float) -> str:
    """Relative change in percent: +5.2 %, -75 %; from ten times on as a factor, ×12 or ÷12; "" where it makes no sense."""
    if not (math.isfinite(before) and math.isfinite(after)) or before == 0:
        return ""
    percent = 100 * (after - before) / abs(before)
    if abs(percent) >= 1000:
        return f"×{after / before:.3g}"
    if 0 < after / before < 0.1:
        return f"÷{before / after:.3g}"
    text = f"{percent:+.0f}" if abs(percent) >= 9.95 else f"{percent:+.1f}"
    return f"{'0.0' if text in ('+0.0', '-0.0') else text} %"


def _power(value: float) -> int:
    """⌊log₁₀ |value|⌋, exactly; 0 of 0."""
    return int(f"{value:e}".partition("e")[2]) if abs(value) >= 1e-300 else 0


def _written(value: float, place: int, power: int) -> str:
    """The value up to the digit 10^place; with the exponent `power` if that is not shown plainly."""
    exponent = 0 if power in _PLAIN else power
    rounded = float(round(value, -place))
    text = f"{rounded / 10.0**exponent:.{max(0, exponent - place)}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return f"{text}e{exponent:+03d}" if exponent else text
