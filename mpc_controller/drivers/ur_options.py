"""What a driver's file says about an arm of Universal Robots.

[driver]
kind = "ur"
host = "192.168.1.10"
mode = "speedj"             # the robot's controls are joint rates [rad/s]; or "servoj": they are joint angles [rad]
frequency_hz = 500          # of the data; 125 for CB3
watchdog_hz = 20            # the robot's program stops when inputs come more rarely: at most half the plant's rate
acceleration = 8.0          # rad/s²: of speedj, and of coming to rest in HOLD
lookahead_s = 0.1           # of servoj: 0.03 to 0.2
gain = 300                  # of servoj: 100 to 2000
stop = "protective"         # of E_STOP: a protective stop, to be released at the pendant; or "stopj": to rest, and hold
upload = true               # false: the program of ur_program.py runs already, started at the pendant
port = 30004                # RTDE
script_port = 30002         # where the program is sent to; the robot must be in remote control
stale_after_s = 0.05        # older data is no measurement
lost_after_s = 0.5          # without data for so long the node ends
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from mpc_controller.drivers.host import is_host
from mpc_controller.toml_table import TomlTable

JOINTS: Final = 6


@final
@dataclass(frozen=True)
class UrOptions:
    """The table [driver], checked; as at the top of this file."""

    host: str
    is_servo: bool
    frequency_hz: float
    watchdog_hz: float
    acceleration: float
    lookahead_s: float
    gain: int
    stops_protectively: bool
    uploads: bool
    port: int
    script_port: int
    stale_after_s: float
    lost_after_s: float


def ur_options(table: TomlTable, plant_rate_hz: float) -> UrOptions:
    """Check the table in full. Raises TomlError."""
    mode = table.required_text("mode", ("speedj", "servoj"))
    watchdog_hz = table.number("watchdog_hz", min(20.0, plant_rate_hz / 2), 1, 250) or 20.0
    if watchdog_hz > plant_rate_hz / 2:
        raise table.error("watchdog_hz", f"must be at most half the plant's rate of {plant_rate_hz:g} Hz")
    host = table.required_text("host")
    if not is_host(host):
        raise table.error("host", "must be the robot's address or name, such as '192.168.1.10'")
    return UrOptions(
        host=host,
        is_servo=mode == "servoj",
        frequency_hz=table.number("frequency_hz", 500.0, 1, 500) or 500.0,
        watchdog_hz=watchdog_hz,
        acceleration=table.number("acceleration", 8.0, 0.1, 40) or 8.0,
        lookahead_s=table.number("lookahead_s", 0.1, 0.03, 0.2) or 0.1,
        gain=table.integer("gain", 300, 100, 2000),
        stops_protectively=table.text("stop", "protective", ("protective", "stopj")) == "protective",
        uploads=table.flag("upload", default=True),
        port=table.integer("port", 30004, 1, 65535),
        script_port=table.integer("script_port", 30002, 1, 65535),
        stale_after_s=table.number("stale_after_s", 0.05, 0.005, 10) or 0.05,
        lost_after_s=table.number("lost_after_s", 0.5, 0.05, 60) or 0.5,
    )
