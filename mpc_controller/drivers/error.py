"""What keeps a driver from starting. Once it runs, it raises nothing."""

from __future__ import annotations

import importlib
from types import ModuleType

from mpc_controller.node.error import NodeError


class DriverError(NodeError):
    """The hardware, or the package that talks to it, is not there."""


class UnsuitableRobotError(ValueError):
    """The robot's states or controls are none that this driver can measure or command."""


def required(module: str, extra: str) -> ModuleType:
    """The module of an extra. Raises DriverError that says what to install."""
    try:
        return importlib.import_module(module)
    except ImportError:
        message = f"this driver needs the extra '{extra}'; install it with: pip install 'mpc_controller[{extra}]'"
        raise DriverError(message) from None
