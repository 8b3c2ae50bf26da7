"""The example of clients/cpp is the quadrotor of robots/: its equations, and the law with which it hovers in place."""

from __future__ import annotations

from typing import Any

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from robots import load_robot
from robots.quadrotor.dynamics import QuadrotorDynamics
from tests.bus.vectors.machines import rounded, unit_quaternions


def cases() -> list[dict[str, Any]]:
    return [{"name": "equations", "rates": _rates()}, {"name": "hold", "commands": _commands()}]


def _rates() -> list[dict[str, Array]]:
    dynamics = QuadrotorDynamics()
    x, u = ca.SX.sym("x", 17), ca.SX.sym("u", 4)
    xdot = ca.Function("xdot", [x, u], [dynamics.xdot(x, u, ca.DM(dynamics.parameters.values))])
    random = np.random.default_rng(1)
    states = [(_state(random), rounded(random.uniform(0, 0.15, 4))) for _ in range(5)]
    return [{"x": state, "u": command, "xdot": np.array(xdot(state, command)).ravel()} for state, command in states]


def _commands() -> list[dict[str, Array]]:
    hold = load_robot("quadrotor").hold
    random = np.random.default_rng(2)
    pairs = [(_state(random), _state(random)) for _ in range(5)]
    near = [(planned + rounded(0.02 * random.standard_normal(17)), planned) for _, planned in pairs]
    return [{"state": state, "planned": planned, "u": hold(state, planned)} for state, planned in pairs + near]


def _state(random: np.random.Generator) -> Array:
    x = rounded(random.standard_normal(17))
    x[3:7] = unit_quaternions(random, 1)[0]
    x[13:] = rounded(random.uniform(0, 0.15, 4))
    return x
