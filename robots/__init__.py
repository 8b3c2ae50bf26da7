"""The machines that this package knows. A robot is one folder and one line here."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

from mpc_controller.robot import Robot

ROBOTS: Mapping[str, str] = {
    "cartpole": "robots.cartpole",
    "quadrotor": "robots.quadrotor",
    "arm": "robots.arm",
    "car": "robots.car",
}


class RobotError(ValueError):
    """A robot that is not in the registry."""


def load_robot(name: str) -> Robot:
    """Import a robot's folder and call its `robot()`. Raises RobotError for an unknown name."""
    if name not in ROBOTS:
        close = difflib.get_close_matches(name, ROBOTS, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise RobotError(f"no robot '{name}'; {hint}there are {', '.join(ROBOTS)}")
    robot: Robot = importlib.import_module(ROBOTS[name]).robot()
    return robot
