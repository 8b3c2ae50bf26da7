"""The safety gate: what it makes of a command, which motions must be braked, which plans not be followed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from mpc_controller.control.safety_gate import CommandLimits, PlanFacts, gate, motion_faults, plan_fault
from tests.bus.vectors.machines import described, rail, rounded, top


def cases() -> list[dict[str, Any]]:
    slew = np.array([100.0, 50.0, 1e9])
    robot = top(control_lower=np.array([-1.0, 0.0, -5.0]), control_upper=np.array([1.0, 2.0, 5.0]), control_slew=slew)
    tick_ns = round(1e9 / robot.plant_rate_hz)
    limits = CommandLimits(robot.control_lower, robot.control_upper, robot.control_slew * tick_ns * 1e-9)
    commands = []
    for command, last in _asked():
        sent, reasons = gate(command, last, limits)
        commands.append({"asked": command, "last": last, "sent": sent, "reasons": reasons})
    return [{"name": "commands", "robot": described(robot), "step": limits.step, "commands": commands}, _motions()]


def _motions() -> dict[str, Any]:
    """One joint with limits -1 to 1.5 m, 2 m/s, 8 m/s² and 0.01 s."""
    robot = rail()
    positions, speeds = (-1.0001, -1.0, 0.0, 1.0, 1.3, 1.49, 1.5, 1.5001), (-2.001, -2.0, -1.0, -0.01, 0.0, 0.3, 1.0, 2.0, 2.5)
    motions = []
    for position, speed, is_braked in itertools.product(positions, speeds, (False, True)):
        faults = motion_faults(robot.joint_limits, [position], [speed], is_braked)
        motions.append({"measured": [position, speed], "is_braked": is_braked, "faults": faults})
    plans = []
    for age_ms, valid_ms, epoch in itertools.product((0, 29.9, 30, 31.04), (-1, 0, 1), (3, 4)):
        facts = PlanFacts(round(age_ms * 1e6), round(valid_ms * 1e6), epoch, 3)
        fault = plan_fault(facts, 30_000_000)
        plans.append({"age_ns": facts.age_ns, "valid_ns": facts.valid_ns, "epoch": epoch, "fault": fault})
    return {"name": "motions and plans", "robot": described(robot), "motions": motions, "oldest_ns": 30_000_000, "plans": plans}


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
