"""Which parameters of a robot's model are to be learned while it runs, and how uncertain they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mpc_controller.control.slow_parameters import SlowParameters
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.parameters import Parameter
from mpc_controller.robot import Robot


def learned_parameters(robot: Robot, names: Sequence[str], start_std: Mapping[str, float], memory_s: float) -> SlowParameters:
    """The named parameters, or all with a std that is not 0, as walks that may wander by their spread in `memory_s`.

    They begin at the robot's values, with the given std, else the parameter's own, else its spread: half its value or a quarter
    of its range, whichever is less, and never less than what it begins with. Raises IdentificationError.
    """
    own = robot.dynamics.nominal.parameters
    unknown = [name for name in (*names, *start_std) if name not in own]
    if unknown:
        raise IdentificationError(f"'{robot.name}' has no parameters {unknown}; it has {', '.join(own.names)}")
    chosen = [own[name] for name in tuple(dict.fromkeys(names)) or (p.name for p in own if p.std != 0.0)]
    if not chosen:
        raise IdentificationError(f"'{robot.name}' has no parameters that are not known exactly; name those to learn")
    known = np.array([start_std.get(p.name) or p.std or math.inf for p in chosen])
    default = np.array([_spread(p) for p in chosen])
    start = np.where(np.isfinite(known), known, default)
    spread = np.where(np.isfinite(default), np.maximum(start, default), start)
    for p, std in zip(chosen, start, strict=True):
        if not 0 < std < math.inf:
            raise IdentificationError(f"'{p.name}' is {p.value:g} {p.unit} without bounds; it needs a std to be learned from")
    return SlowParameters(
        names=tuple(p.name for p in chosen),
        start=np.array([p.value for p in chosen]),
        start_std=start,
        largest_std=spread,
        walk_std=spread / math.sqrt(memory_s),
        time_constant_s=np.full(len(chosen), np.inf),
        lower=np.array([p.lower for p in chosen]),
        upper=np.array([p.upper for p in chosen]),
        is_learned=np.ones(len(chosen), dtype=bool),
    )


def _spread(p: Parameter) -> float:
    return min(abs(p.value) / 2 or math.inf, (p.upper - p.lower) / 4)
