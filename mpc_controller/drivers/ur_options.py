"""What a driver's file says about an arm of Universal Robots, and the program that runs on it.

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
upload = true               # false: the program of `ur_program` runs already, started at the pendant
port = 30004                # RTDE
script_port = 30002         # where the program is sent to; the robot must be in remote control
stale_after_s = 0.05        # older data is no measurement
lost_after_s = 0.5          # without data for so long the node ends
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, final

from mpc_controller.toml_table import TomlTable

JOINTS: Final = 6
# Registers 24 to 47 are for RTDE clients; those below are for field buses.
FIRST: Final = 24
RUNNING: Final = 77  # what the program writes into its output register where it is started at the pendant


@final
class Order(enum.IntEnum):
    """What the program does with the six targets."""

    REST = 0
    MOVE = 1
    PROTECTIVE_STOP = 2


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
    return UrOptions(
        host=table.required_text("host"),
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


def ur_program(options: UrOptions, token: int = RUNNING) -> str:
    """The robot's program in URScript: does what the input registers say, and stops when they are not written any more.

    It shows that it runs by writing `token` into its output register.
    """
    registers = ", ".join(f"read_input_float_register({FIRST + k})" for k in range(JOINTS))
    cycle_s = 1 / options.frequency_hz
    move = f"speedj(target, {options.acceleration:g}, {cycle_s:g})"
    if options.is_servo:
        move = f"servoj(target, 0, 0, {cycle_s:g}, {options.lookahead_s:g}, {options.gain})"
    return f"""def mpc_controller():
  rtde_set_watchdog("input_int_register_{FIRST}", {options.watchdog_hz:g}, "stop")
  write_output_integer_register({FIRST}, {token})
  is_moving = False
  while True:
    order = read_input_integer_register({FIRST})
    target = [{registers}]
    if order == {Order.MOVE:d}:
      {move}
      is_moving = True
    elif order == {Order.PROTECTIVE_STOP:d}:
      protective_stop()
      sync()
    elif is_moving:
      stopj({options.acceleration:g})
      is_moving = False
    else:
      sync()
    end
  end
end
"""
