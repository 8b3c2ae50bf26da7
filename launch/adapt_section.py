"""The table `[adapt]` of a launch file: what is learned while the robot runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from launch.bounds import RATE_HZ
from mpc_controller.model.parameters import Parameters

_KEYS = ("parameters", "rate_hz")
_RATE_HZ = 2.0


@final
@dataclass(frozen=True)
class AdaptSection:
    """names: of the parameters to learn; () starts nothing. rate_hz: updates a second, at most."""

    names: tuple[str, ...] = ()
    rate_hz: float = _RATE_HZ


def adapt_section_of(parameters: Parameters) -> Callable[[Mapping[str, Any]], AdaptSection]:
    """Reads the table for a model with these parameters; ValueError names the key, what was given and what would be valid."""

    def read(table: Mapping[str, Any]) -> AdaptSection:
        for key in table:
            if key not in _KEYS:
                raise ValueError(f"adapt: unknown key '{key}'; valid are {', '.join(_KEYS)}")
        if not table:
            return AdaptSection()
        names, rate_hz = table.get("parameters"), table.get("rate_hz", _RATE_HZ)
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError(f"adapt: 'parameters' is {names!r}; it must be a list of names of parameters")
        unknown = [name for name in names if name not in parameters]
        if unknown:
            raise ValueError(f"adapt: 'parameters' has {unknown}; valid are {', '.join(parameters.names)}")
        is_number = isinstance(rate_hz, int | float) and not isinstance(rate_hz, bool) and math.isfinite(rate_hz)
        if not is_number or not RATE_HZ[0] <= rate_hz <= RATE_HZ[1]:
            raise ValueError(f"adapt: 'rate_hz' is {rate_hz!r}; it must be a number in [{RATE_HZ[0]:g}, {RATE_HZ[1]:g}]")
        return AdaptSection(tuple(names), float(rate_hz))

    return read
