"""What a driver's file says about an autopilot.

[driver]
kind = "mavlink"
listen = "127.0.0.1:14540"  # where the autopilot (PX4) sends its MAVLink to; others' messages are not listened to
system_id = 1               # the autopilot's
set_point = "rates"         # body rates and thrust; or "attitude": attitude and thrust
rate_gain = [20, 20, 10]    # 1/s: angular acceleration for a rate error, of the autopilot's rate loop about x, y and z
attitude_gain = [6.5, 6.5, 2.8]  # 1/s: rate for an attitude error (MC_ROLL_P, MC_PITCH_P, MC_YAW_P)
hover_throttle = 0.5        # MPC_THR_HOVER: the thrust, of 1, at which it hovers
telemetry_rate_hz = 100     # of the odometry that is asked for
arm = false                 # true: the first command arms it; otherwise a pilot does
stop = "land"               # of E_STOP: land where it is; or "disarm": motors off at once, in the air too
stale_after_s = 0.1         # older telemetry is no measurement
lost_after_s = 3.0          # without a heartbeat for so long the node ends
mode_timeout_s = 3.0        # the time that the autopilot has to change its mode, and to arm
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.drivers.host import is_host
from mpc_controller.toml_table import TomlTable


@final
@dataclass(frozen=True)
class MavlinkOptions:
    """The table [driver], checked; as at the top of this file."""

    host: str
    port: int
    system_id: int
    is_attitude: bool
    rate_gain: Array
    attitude_gain: Array
    hover_throttle: float
    telemetry_rate_hz: float
    arms: bool
    lands: bool
    stale_after_s: float
    lost_after_s: float
    mode_timeout_s: float


def mavlink_options(table: TomlTable) -> MavlinkOptions:
    """Check the table in full. Raises TomlError."""
    host, _, port = (table.text("listen", "127.0.0.1:14540") or "").rpartition(":")
    # isdigit() alone takes superscripts, too, which int() does not.
    if not (is_host(host) and len(port) <= 5 and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise table.error("listen", "must be an address of this machine and a port, such as '127.0.0.1:14540'")
    if not table.has("rate_gain"):
        raise table.lacks(
            "rate_gain", "a list of 3 numbers [1/s], the autopilot's gains from rate error to angular acceleration"
        )
    return MavlinkOptions(
        host=host,
        port=int(port),
        system_id=table.integer("system_id", 1, 1, 255),
        is_attitude=table.text("set_point", "rates", ("rates", "attitude")) == "attitude",
        rate_gain=np.array(table.numbers("rate_gain", (), 3, 0.1, 1000)),
        attitude_gain=np.array(table.numbers("attitude_gain", (6.5, 6.5, 2.8), 3, 0.1, 100)),
        hover_throttle=table.number("hover_throttle", 0.5, 0.01, 0.99) or 0.5,
        telemetry_rate_hz=table.number("telemetry_rate_hz", 100.0, 1, 1000) or 100.0,
        arms=table.flag("arm", default=False),
        lands=table.text("stop", "land", ("land", "disarm")) == "land",
        stale_after_s=table.number("stale_after_s", 0.1, 0.005, 10) or 0.1,
        lost_after_s=table.number("lost_after_s", 3.0, 0.2, 60) or 3.0,
        mode_timeout_s=table.number("mode_timeout_s", 3.0, 0.2, 60) or 3.0,
    )
