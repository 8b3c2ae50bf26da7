"""How much of the room that a robot has an experiment uses."""

from __future__ import annotations

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Excitation


def limit_use(excitation: Excitation, states: Array, controls: Array) -> dict[str, float]:
    """Of every MotionLimit, the largest share of the way from the first sample's value to the limit; above 1 it is broken."""
    use = {}
    for limit in excitation.limits:
        values = np.asarray(limit.value(states, controls), dtype=float).reshape(len(states), -1)
        rest = values[0]
        room = np.where(values > rest, limit.upper - rest, rest - limit.lower)
        away = np.abs(values - rest)
        # Without room at rest nothing may move further, to a rounding.
        shares = np.where(room > 0, away / np.where(room > 0, room, 1.0), np.where(away > 1e-9, np.inf, 0.0))
        use[limit.name] = float(shares.max())
    return use


def is_within(use: dict[str, float], share: float) -> bool:
    return all(value <= share for value in use.values())
