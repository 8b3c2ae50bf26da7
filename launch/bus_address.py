"""Where a robot's bus is. Imports little: an emergency stop waits for it."""

from __future__ import annotations

import os
from pathlib import Path

from launch.errors import CommandError, ExitCode
from launch.options import KEYS_VARIABLE
from mpc_controller.bus.endpoints import BusError, Endpoints, default_address
from mpc_controller.bus.frame import Kind
from mpc_controller.bus.keys import MAY_SAY, PeerKey, Role, load_credentials, may_release


def bus_of(robot: str, address: str | None) -> tuple[str, Endpoints]:
    """The given address, or the robot's default, and its endpoints, with the keys that $MPC_KEYS (--keys) names.

    Raises CommandError for one that no bus can have, KeysError or TomlError for keys that are not sound.
    """
    keys = os.environ.get(KEYS_VARIABLE)
    credentials = load_credentials(Path(keys)) if keys else None
    if address is None:
        address = default_address(robot)
        return address, Endpoints.of(address, credentials)
    try:
        return address, Endpoints.of(address, credentials)
    except BusError as error:
        raise CommandError(str(error), ExitCode.BAD_INPUT) from None


def check_role(endpoints: Endpoints, kind: Kind, release: bool = False) -> None:
    """CommandError for a key whose role may not say such a thing: the plant would not take it."""
    key = endpoints.credentials
    allowed = [role for role in Role if kind in MAY_SAY[role] and (may_release(role) or not release)]
    if isinstance(key, PeerKey) and key.role not in allowed:
        whose = " or ".join(allowed)
        raise CommandError(f"the key '{key.name}' has the role {key.role}; this needs the role {whose}", ExitCode.BAD_INPUT)
