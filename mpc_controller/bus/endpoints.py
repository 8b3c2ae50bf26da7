"""Where a robot's bus is: two endpoints from one address."""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from mpc_controller.bus.keys import Credentials

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PORT = re.compile(r"[0-9]{1,5}")
_LONGEST_IPC_PATH = 107  # bytes of sun_path in sockaddr_un, less the closing zero (unix(7))


class BusError(RuntimeError):
    """An address that can't be used, or an endpoint that can't be bound or connected."""


@final
@dataclass(frozen=True)
class Endpoints:
    """`out`, where the plant publishes, and `inbox`, where it listens. The plant binds both, all others connect.

    ipc:///folder/robot     → ipc:///folder/robot.out and ipc:///folder/robot.in
    tcp://127.0.0.1:5555    → ports 5555 (out) and 5556 (in)
    tcp://robot.lan:5555    likewise, with `credentials` alone: beyond this machine everything is encrypted and authenticated
    """

    out: str
    inbox: str
    credentials: Credentials | None = None

    @staticmethod
    def of(address: str, credentials: Credentials | None = None) -> Endpoints:
        """Both endpoints of one address. Raises BusError for one that no bus can have, or not without keys."""
        scheme, separator, rest = address.partition("://")
        if separator and scheme == "ipc":
            return replace(_ipc(address, rest), credentials=credentials)
        if separator and scheme == "tcp":
            return replace(_tcp(address, rest, has_keys=credentials is not None), credentials=credentials)
        raise BusError(f"address '{address}': expected ipc:///absolute/path or tcp://127.0.0.1:PORT")

    @property
    def paths(self) -> tuple[Path, ...]:
        """The socket files of ipc endpoints; none for tcp."""
        return tuple(Path(e.removeprefix("ipc://")) for e in (self.out, self.inbox) if e.startswith("ipc://"))

    @property
    def is_tcp(self) -> bool:
        return not self.paths


def default_address(robot: str, environment: Mapping[str, str] = os.environ) -> str:
    """ipc in a folder of the user alone: $XDG_RUNTIME_DIR/mpc_controller, or /tmp/mpc_controller-UID without one.

    The folder is made by the plant when it binds. Raises BusError when it is there and others may use it.
    """
    runtime = Path(environment.get("XDG_RUNTIME_DIR", ""))
    is_usable = runtime.is_absolute() and runtime.is_dir() and os.access(runtime, os.W_OK)
    folder = runtime / "mpc_controller" if is_usable else Path(f"/tmp/mpc_controller-{os.getuid()}")
    _check_private(folder)
    return f"ipc://{folder}/{robot}"


def _check_private(folder: Path) -> None:
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise BusError(f"{folder} is not a folder that you alone may use (owner you, mode 0700); remove it or give --endpoint")


def _ipc(address: str, path: str) -> Endpoints:
    if not path.startswith("/") or path.endswith("/"):
        raise BusError(f"address '{address}': an ipc path must be absolute and name a file, as in ipc:///run/robot")
    longest = max(len(os.fsencode(path + suffix)) for suffix in (".out", ".in"))
    if longest > _LONGEST_IPC_PATH:
        raise BusError(f"address '{address}': the path with .out is {longest} bytes long; ipc allows {_LONGEST_IPC_PATH}")
    return Endpoints(f"ipc://{path}.out", f"ipc://{path}.in")


def _tcp(address: str, rest: str, *, has_keys: bool) -> Endpoints:
    host, _, port_text = rest.rpartition(":")
    if not (host and _PORT.fullmatch(port_text) and 1 <= int(port_text) <= 65534):
        raise BusError(f"address '{address}': expected tcp://127.0.0.1:PORT with a port in 1..65534; the next one is used too")
    if not _is_loopback(host) and not has_keys:
        raise BusError(
            f"address '{address}': only loopback addresses (127.0.0.1, localhost) are allowed without keys; "
            "`mpc keys init` makes some, and --keys names them"
        )
    if not _HOST.fullmatch(host):
        raise BusError(f"address '{address}': '{host}' is no IPv4 address and no name of a host")
    host = "127.0.0.1" if host == "localhost" else host
    return Endpoints(f"tcp://{host}:{int(port_text)}", f"tcp://{host}:{int(port_text) + 1}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
