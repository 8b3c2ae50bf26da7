"""The machines that this package knows. A robot is one folder and one line here."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an emergency stop needs the names alone
    from mpc_controller.identification.model_structure import ModelStructure
    from mpc_controller.robot import Robot

ROBOTS: Mapping[str, str] = {
    "cartpole": "robots.cartpole",
    "quadrotor": "robots.quadrotor",
    "arm": "robots.arm",
    "car": "robots.car",
}

# Machines that are identified from recordings and not controlled: their folders give a ModelStructure.
MACHINES: Mapping[str, str] = {
    "crazyflie": "robots.crazyflie",
    "emps": "robots.emps",
    "pendulum": "robots.pendulum",
    "double_pendulum": "robots.double_pendulum",
    "go2_leg": "robots.go2_leg",
}


class RobotError(ValueError):
    """A robot that is not in the registry."""


def check_robot(name: str) -> None:
    """Raises RobotError for an unknown name; imports nothing."""
    if name not in ROBOTS:
        raise _unknown(name, ROBOTS)


def load_robot(name: str) -> Robot:
    """Import a robot's folder and call its `robot()`. Raises RobotError for an unknown name."""
    check_robot(name)
    robot: Robot = importlib.import_module(ROBOTS[name]).robot()
    return robot


def load_structure(name: str, part: str = "") -> ModelStructure:
    """What is identified of a robot, or of a machine that is only identified: its folder's `structure()`, of one of its
    `machine_parts` where it has such. Raises RobotError."""
    if name in ROBOTS:
        from mpc_controller.identification.model_structure import structure_of

        return structure_of(load_robot(name))
    module = _machine(name)
    structure: ModelStructure = module.structure(part) if machine_parts(name) else module.structure()
    return structure


def machine_parts(name: str) -> tuple[str, ...]:
    """Parts of a machine, such as joints, that are identified each on its own: PARTS of its folder. Raises RobotError."""
    return tuple(getattr(_machine(name), "PARTS", ()))


def log_mapping(name: str) -> Path | None:
    """The machine's own mapping of foreign logs (log.toml in its folder), if it has one. Raises RobotError."""
    path = Path(str(_machine(name).__file__)).with_name("log.toml")
    return path if path.is_file() else None


def _machine(name: str) -> ModuleType:
    folders = {**ROBOTS, **MACHINES}
    if name not in folders:
        raise _unknown(name, list(folders))
    return importlib.import_module(folders[name])


def _unknown(name: str, valid: Mapping[str, str] | list[str]) -> RobotError:
    close = difflib.get_close_matches(name, valid, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return RobotError(f"no robot '{name}'; {hint}there are {', '.join(valid)}")
