"""Columns of text."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence


def columns(cells: Sequence[Sequence[str]], left: Collection[int]) -> list[str]:
    """One line a row of cells; the columns `left` are aligned to the left, the others to the right."""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = []
    for row in cells:
        aligned = [cell.ljust(widths[i]) if i in left else cell.rjust(widths[i]) for i, cell in enumerate(row)]
        lines.append("  ".join(aligned).rstrip())
    return lines


def number(value: float | None, form: str) -> str:
    """In the given form; a dash for what is not known."""
    return "-" if value is None or not math.isfinite(value) else form.format(value)
