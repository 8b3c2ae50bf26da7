"""From arrays and messages to JSON: what JSON has no numbers for becomes text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_EXACT = 2**53  # whole numbers up to here are themselves in a double


def plain(value: Any) -> Any:
    """Numbers, texts, lists and objects. What is not finite as "NaN", "Infinity", "-Infinity"; large integers as text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(value)
    return value


def document(name: str, cases: Sequence[Mapping[str, Any]]) -> str:
    """The file of a list of cases, one a line."""
    lines = ",\n".join(json.dumps(plain(case), ensure_ascii=False, separators=(",", ":")) for case in cases)
    return f'{{"vectors":"{name}","cases":[\n{lines}\n]}}\n'
