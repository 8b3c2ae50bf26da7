"""What the last function before the actuators makes of a command."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpc_controller.control.safety_gate import CommandLimits, gate
from tests.bus.vectors.machines import described, rounded, top


def cases() -> list[dict[str, Any]]:
    slew = np.array([100.0, 50.0, 1e9])
    robot = top(control_lower=np.array([-1.0, 0.0, -5.0]), control_upper=np.array([1.0, 2.0, 5.0]), control_slew=slew)
    tick_ns = round(1e9 / robot.plant_rate_hz)
    limits = CommandLimits(robot.control_lower, robot.control_upper, robot.control_slew * tick_ns * 1e-9)
    commands = []
    for command, last in _asked():
        sent, reasons = gate(command, last, limits)
        commands.append({"asked": command, "last": last, "sent": sent, "reasons": reasons})
    return [{"name": "top", "robot": described(robot), "step": limits.step, "commands": commands}]


def _asked() -> list[tuple[Any, Any]]:
    """(command, last command) pairs: one of each kind, then random ones."""
    rest = np.array([0.0, 1.0, 0.0])
    in_range = [[0.0, 1.0, 0.0], [0.2, 1.1, 5.0], [0.2 + 1e-10, 1.1, 5.0 + 1e-9], [0.21, 1.0, 0.0]]
    beyond = [[0.0, 1.0, 5.1], [3.0, 9.0, -9.0], [1e308, -1e308, 0.0]]
    impossible = [[np.nan, 1.0, 0.0], [0.0, np.inf, 0.0], [0.0, 1.0, -np.inf], [0.0, 1.0], [], [0.0, 1.0, 0.0, 0.0]]
    few = [np.array(command, dtype=float) for command in (*in_range, *beyond, *impossible)]
    before = [np.array(last) for last in ([np.nan, 1.0, 0.0], [9.0, -9.0, np.inf], [0.0, 1.0], [-1.0, 2.0, 5.0 + 1e-12])]
    random = np.random.default_rng(3)
    many = [(rounded(2 * random.standard_normal(3)), rounded(random.uniform([-1, 0, -5], [1, 2, 5]))) for _ in range(40)]
    return [*((command, rest) for command in few), *((rest, last) for last in before), *many]
