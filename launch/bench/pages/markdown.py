"""Tables and numbers as a page shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

# The longest first, and their microseconds.
_UNITS = (("s", 1e6), ("ms", 1e3), ("µs", 1.0))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """In Markdown; the first `left` columns are aligned to the left, the others to the right."""
    ruler = ["---" if i < left else "---:" for i in range(len(header))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ruler, *rows))


def time(*micros: float) -> str:
    """27 µs, 2.9/3.3 ms: all of them in the unit that suits the first."""
    unit, scale = next((u for u in _UNITS if micros[0] >= u[1]), _UNITS[-1])
    return "/".join(digits(value / scale) for value in micros) + f" {unit}"


def digits(value: float | None) -> str:
    """Two digits below 10, else whole numbers; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0 or value >= 10:
        return f"{value:.0f}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"


def percent(value: float) -> str:
    """+0.3 %, signed; whole numbers from 10 on."""
    return f"{value:+.0%}".replace("%", " %") if abs(value) >= 0.1 else f"{value:+.1%}".replace("%", " %")
