"""The machines that this package knows. A robot is one folder and one line here."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path

from mpc_controller.identification.model_structure import ModelStructure, structure_of
from mpc_controller.robot import Robot

ROBOTS: Mapping[str, str] = {
    "cartpole": "robots.cartpole",
    "quadrotor": "robots.quadrotor",
    "arm": "robots.arm",
    "car": "robots.car",
}

# Machines that are identified from recordings and not controlled: their folders give a ModelStructure.
MACHINES: Mapping[str, str] = {}


class RobotError(ValueError):
    """A robot that is not in the registry."""


def load_robot(name: str) -> Robot:
    """Import a robot's folder and call its `robot()`. Raises RobotError for an unknown name."""
    if name not in ROBOTS:
        raise _unknown(name, ROBOTS)
    robot: Robot = importlib.import_module(ROBOTS[name]).robot()
    return robot


def load_structure(name: str) -> ModelStructure:
    """What is identified of a robot, or of a machine that is only identified: its folder's `structure()`. Raises RobotError."""
    if name in ROBOTS:
        return structure_of(load_robot(name))
    if name not in MACHINES:
        raise _unknown(name, [*ROBOTS, *MACHINES])
    structure: ModelStructure = importlib.import_module(MACHINES[name]).structure()
    return structure


def log_mapping(name: str) -> Path | None:
    """The machine's own mapping of foreign logs (log.toml in its folder), if it has one."""
    folder = Path(str(importlib.import_module({**ROBOTS, **MACHINES}[name]).__file__)).parent
    path = folder / "log.toml"
    return path if path.is_file() else None


def _unknown(name: str, valid: Mapping[str, str] | list[str]) -> RobotError:
    close = difflib.get_close_matches(name, valid, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return RobotError(f"no robot '{name}'; {hint}there are {', '.join(valid)}")
