"""`mpc learn --import --range`: where a network holds that no log tells of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.learning.options import LearningError
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.toml_table import TomlTable

_FARTHEST: Final = 1e30


def feature_ranges(given: Sequence[str], port: ResidualPort) -> tuple[Array, Array]:
    """Lower and upper ends (nz,) of the port's features, in their units, from NAME=LOWER:UPPER and files with lines such as

        velocity = {lower = -3.0, upper = 3.0}

    What comes later replaces what came before. Raises LearningError or TomlError unless each feature has its two ends.
    """
    ranges: dict[str, tuple[float, float]] = {}
    for entry in given:
        ranges.update(_of_text(entry) if "=" in entry else _of_file(Path(entry)))
    if unknown := [name for name in ranges if name not in port.feature_names]:
        raise LearningError(f"--range: no feature '{unknown[0]}'; there are {', '.join(port.feature_names)}")
    if missing := [name for name in port.feature_names if name not in ranges]:
        raise LearningError(f"--range: {', '.join(missing)} still {'need' if missing[1:] else 'needs'} NAME=LOWER:UPPER")
    for name, (lower, upper) in ranges.items():
        if not (-_FARTHEST <= lower < upper <= _FARTHEST):
            raise LearningError(f"--range: {name} is {lower:g}:{upper:g}; it must be two finite numbers, the lower one first")
    ends = np.array([ranges[name] for name in port.feature_names])
    return ends[:, 0], ends[:, 1]


def _of_text(entry: str) -> dict[str, tuple[float, float]]:
    name, _, ends = entry.partition("=")
    lower, _, upper = ends.partition(":")
    return {name.strip(): (_number(lower, entry), _number(upper, entry))}


def _number(text: str, entry: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LearningError(
            f"--range: '{entry}' must be NAME=LOWER:UPPER, such as velocity=-3:3, or a file of such ranges"
        ) from None


def _of_file(path: Path) -> dict[str, tuple[float, float]]:
    table = TomlTable.read(path)
    ranges = {}
    for name in table.names():
        ends = table.required_table(name, "{lower = NUMBER, upper = NUMBER}")
        lower, upper = (ends.number(end, None, -math.inf, math.inf) for end in ("lower", "upper"))
        ends.finish()
        if lower is None or upper is None:
            raise ends.lacks("lower" if lower is None else "upper", "a number")
        ranges[name] = (lower, upper)
    table.finish()
    return ranges
