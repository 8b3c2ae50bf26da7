"""Ticks of a plant without its node, and what else is timed by the clock of the emulator behind it.

An emulator's time stands still while the machine is too busy to run it: by that time nothing is late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from mpc_controller.node.clock import SteadyClock
from mpc_controller.node.plant import Plant
from mpc_controller.robot import Robot
from tests.drivers.processes import PATIENCE_S

TICK_S = 0.01


class Timed(Protocol):
    """An emulator: `time_s` is its own."""

    time_s: float


def let_pass(emulator: Timed, seconds: float) -> None:
    """Wait for so long by the emulator's time. Fails when that stands still."""
    until_s, end_s = emulator.time_s + seconds, time.monotonic() + seconds + PATIENCE_S
    while emulator.time_s < until_s:
        assert time.monotonic() < end_s, f"the emulator's time stands still at {emulator.time_s} s"
        time.sleep(0.001)


def clock_of(emulator: Timed, robot: Robot) -> SteadyClock:
    """For the plant node: the robot's ticks by the emulator's time."""
    period_ns = round(1e9 / robot.plant_rate_hz)
    return SteadyClock(period_ns, lambda: round(1e9 * emulator.time_s), lambda seconds: let_pass(emulator, seconds))


def spin(plant: Plant, emulator: Timed, seconds: float, act: Callable[[], object]) -> list[np.ndarray]:
    """Ticks for so long, the last of them after it; the readings."""
    readings, until_s, end_s = [], emulator.time_s + seconds, time.monotonic() + seconds + PATIENCE_S
    is_over = False
    while not is_over:
        assert time.monotonic() < end_s, f"the emulator's time stands still at {emulator.time_s} s"
        is_over = emulator.time_s >= until_s
        readings.append(plant.read()[0])
        act()
        time.sleep(TICK_S)
    return readings


def spin_until(plant: Plant, condition: Callable[[], bool], act: Callable[[], object]) -> None:
    """Ticks until it is so, which is looked at before the first. Fails when it does not come true."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, f"it did not come true in time: '{plant.failure}'"
        plant.read()
        act()
        time.sleep(TICK_S)
