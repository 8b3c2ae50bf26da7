"""The program that runs on an arm of Universal Robots, in URScript.

`python -m mpc_controller.drivers.ur_program FILE HZ` prints it for a driver's file and a plant's rate.
"""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

from mpc_controller.drivers.ur_options import JOINTS, UrOptions, ur_options
from mpc_controller.toml_table import TomlError, TomlTable

# Registers 24 to 47 are for RTDE clients; those below are for field buses.
FIRST: Final = 24
RUNNING: Final = 77  # what the program writes into its output register where it is started at the pendant


@final
class Order(enum.IntEnum):
    """What the program does with the six targets."""

    REST = 0
    MOVE = 1
    PROTECTIVE_STOP = 2


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


def main(path: str, plant_rate_hz: str) -> None:
    """Print the program. Raises TomlError."""
    table = TomlTable.read(Path(path)).table("driver")
    print(ur_program(ur_options(table, float(plant_rate_hz))), end="")


def command(arguments: Sequence[str]) -> int:
    """The exit code of the program with these arguments; what is wrong with them is one line on stderr, and 2."""
    try:
        path, rate_hz = arguments
    except ValueError:
        print("usage: python -m mpc_controller.drivers.ur_program FILE HZ", file=sys.stderr)
        return 2
    try:
        if not (math.isfinite(float(rate_hz)) and float(rate_hz) > 0):
            raise ValueError
    except ValueError:
        print(f"error: '{rate_hz}' is no rate in Hz; give the plant's, such as 125", file=sys.stderr)
        return 2
    try:
        main(path, rate_hz)
    except TomlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
