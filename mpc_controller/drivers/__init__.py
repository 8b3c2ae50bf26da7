"""Plants that are real robots. A driver is one Plant and one line here; none of them knows a robot by name.

Every driver's module has `plant_of(table, robot)`, which checks the table [driver] in full and gives what opens the plant.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mpc_controller.node.plant import Plant
from mpc_controller.robot import Robot
from mpc_controller.toml_table import TomlTable

DRIVERS: Final[Mapping[str, str]] = {
    "dynamixel": "mpc_controller.drivers.dynamixel",
    "mavlink": "mpc_controller.drivers.mavlink",
    "ur": "mpc_controller.drivers.ur",
}


def load_driver(path: Path, robot: Robot) -> Callable[[], Plant]:
    """Read a driver's file and check it in full, with the robot that it is for; the result opens the plant.

    Raises TomlError for the file and UnsuitableRobotError for the robot; the result raises DriverError where the hardware, or
    the package that it needs, is not there.
    """
    top = TomlTable.read(path)
    table = top.required_table("driver", f"a table with kind = one of {', '.join(DRIVERS)}")
    kind = table.required_text("kind", tuple(DRIVERS))
    opener: Callable[[], Plant] = importlib.import_module(DRIVERS[kind]).plant_of(table, robot)
    table.finish()
    top.finish()
    return opener
