"""What a driver's file says about Dynamixel servos.

[driver]
kind = "dynamixel"
port = "/dev/ttyUSB0"
baud_rate = 4000000         # that of the servos
mode = "current"            # the robot's controls are torques [N m]; or "position": they are angles [rad]
ids = [1, 2, 3]             # joint by joint
signs = [1, -1, 1]          # default: all 1
zeros_rad = [0, 0, 0]       # the joint's angle in the middle of the servo's range (2048); default: all 0
torque_per_ampere = [1.78, 1.78, 1.78]  # N m/A at the horn, from the servo's data sheet; "current" needs them
current_unit_ma = 2.69      # of a count, from the e-Manual: XM430, XM540 2.69; XL330, XC330 1.0
hold = "position"           # HOLD by the servos' own position mode; "law": by the robot's own law (of torques or angles)
watchdog_ms = 100           # the servos stop when nothing came for so long: 20 to 2540 in steps of 20
timeout_ms = 4.0            # how long answers may take, on top of their time on the wire
lost_after_s = 0.5          # without a servo's answer for so long the node ends
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from mpc_controller.drivers.dynamixel_units import CURRENT_MODE, POSITION_MODE, WATCHDOG_UNIT_MS, ServoUnits
from mpc_controller.toml_table import TomlTable

MODES: Final = {"current": CURRENT_MODE, "position": POSITION_MODE}


@final
@dataclass(frozen=True)
class DynamixelOptions:
    """The table [driver], checked; as at the top of this file, with units of SI."""

    port: str
    baud_rate: int
    mode: str
    ids: tuple[int, ...]
    signs: tuple[float, ...]
    zeros: tuple[float, ...]
    torque_per_ampere: tuple[float, ...]
    current_unit: float
    holds_itself: bool
    watchdog_ms: int
    timeout_ms: float
    lost_after_s: float

    @property
    def units(self) -> ServoUnits:
        """Of these servos."""
        signs, zeros, torque_per_ampere = (np.array(v) for v in (self.signs, self.zeros, self.torque_per_ampere))
        return ServoUnits(signs, zeros, torque_per_ampere, self.current_unit)


def dynamixel_options(table: TomlTable) -> DynamixelOptions:
    """Check the table in full. Raises TomlError."""
    mode = table.required_text("mode", tuple(MODES))
    ids = table.indices("ids") or ()
    if not ids or len(set(ids)) != len(ids) or max(ids) > 252:
        raise table.error("ids", "must be the IDs of the servos, joint by joint, each once and at most 252")
    n, watchdog_ms = len(ids), table.integer("watchdog_ms", 100, 20, 2540)
    if watchdog_ms % WATCHDOG_UNIT_MS:
        raise table.error("watchdog_ms", "must be a multiple of 20")
    signs = table.numbers("signs", (1.0,) * n, n, -1, 1)
    if any(abs(sign) != 1 for sign in signs):
        raise table.error("signs", "must be a list of 1 and -1")
    if mode == "current" and not table.has("torque_per_ampere"):
        raise table.lacks("torque_per_ampere", f"a list of {n} numbers [N m/A] where mode is current")
    return DynamixelOptions(
        port=table.required_text("port"),
        baud_rate=table.integer("baud_rate", 1_000_000, 9_600, 4_500_000),
        mode=mode,
        ids=ids,
        signs=signs,
        zeros=table.numbers("zeros_rad", (0.0,) * n, n, -100, 100),
        torque_per_ampere=table.numbers("torque_per_ampere", (1.0,) * n, n, 1e-3, 1e3),
        current_unit=1e-3 * (table.number("current_unit_ma", 2.69, 0.1, 100) or 2.69),
        holds_itself=table.text("hold", "position", ("position", "law")) == "position",
        watchdog_ms=watchdog_ms,
        timeout_ms=table.number("timeout_ms", 4.0, 0.5, 100) or 4.0,
        lost_after_s=table.number("lost_after_s", 0.5, 0.05, 60) or 0.5,
    )
