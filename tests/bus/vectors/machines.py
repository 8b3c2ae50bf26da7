"""The robots of the vectors, and plans for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clients.robot_description import description
from mpc_controller.arrays import Array
from mpc_controller.bus.codec import encode
from mpc_controller.bus.messages import Plan
from mpc_controller.control.safety_gate import JointLimit
from mpc_controller.robot import Robot
from tests.control import machines

MS = 1_000_000
_HASH = "0123456789ab"


def linear_hold(robot: Robot, gain: Array) -> Robot:
    """The robot with the hold law u = K (x ⊟ planned)."""
    manifold = robot.dynamics.manifold
    return replace(robot, hold=lambda x, planned: gain @ manifold.difference(x, planned))


def fixed(robot: Robot) -> Robot:
    """The robot with a hash that does not depend on how CasADi writes its equations."""
    robot.__dict__["model_hash"] = _HASH  # where functools.cached_property keeps it
    return robot


def sled(**changes: Any) -> Robot:
    """One state of two is measured."""
    return fixed(machines.sled(**changes))


def rail() -> Robot:
    """The sled with both states measured and limits of its position and velocity."""
    limit = JointLimit("q", "q_dot", "m", -1.0, 1.5, 2.0, 8.0, 0.01)
    return sled(measured=("q", "q_dot"), measurement_std=np.array([1e-3, 1e-2]), joint_limits=(limit,))


def top(**changes: Any) -> Robot:
    """An attitude is measured, its rates are not."""
    return fixed(replace(machines.top(), **changes))


def described(robot: Robot) -> dict[str, Any]:
    """Without names and units, which nothing here needs."""
    return {name: value for name, value in description(robot).items() if not name.endswith(("_names", "_units"))}


def plan(robot: Robot, random: np.random.Generator, start_ns: int, /, **changes: Any) -> Plan:
    """Two intervals of 20 and 30 ms from a random state, in answer to observation 1; 'changes' are fields of the message."""
    d = robot.dynamics
    states = rounded(random.standard_normal((3, d.nx)))
    for start in d.manifold.quaternions:
        states[:, start : start + 4] = unit_quaternions(random, 3)
    span = robot.control_upper - robot.control_lower
    fields: dict[str, Any] = {
        "times": start_ns + np.array([0, 20 * MS, 50 * MS]),
        "states": states,
        "controls": rounded(robot.control_lower + span * random.uniform(0.2, 0.8, (2, d.nu))),
        "gains": rounded(random.standard_normal((2, d.nu, d.manifold.ndx))),
        "start_ns": start_ns,
        "valid_until_ns": start_ns + 50 * MS,
        "answers_sequence": 1,
        "reference": np.zeros(0),
        "estimate": np.zeros(0),
        "disturbance": np.zeros(0),
        "task": "",
        "solver": "",
    }
    return machines.plan(robot, **(fields | changes))


def frame(message: Any) -> str:
    """In hexadecimal digits."""
    return encode(message).hex()


def rounded(values: Array) -> Array:
    """To thousandths: short in the file, and the same from every library of elementary functions."""
    return np.round(np.asarray(values, dtype=float), 3)


def unit_quaternions(random: np.random.Generator, count: int) -> Array:
    """(count, 4) (a, b, c, d)/n with whole numbers a² + b² + c² + d² = n²: their length is 1 but for rounding."""
    known = np.array([[1, 1, 1, 1, 2], [1, 1, 3, 5, 6], [1, 3, 3, 9, 10], [2, 4, 5, 6, 9], [1, 2, 2, 0, 3], [8, 4, 1, 0, 9]])
    chosen = known[random.integers(0, len(known), count)]
    signs = random.choice([-1.0, 1.0], (count, 4))
    return np.asarray(random.permuted(chosen[:, :4], axis=1) * signs / chosen[:, 4:])
