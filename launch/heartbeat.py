"""Whether a child's loop still turns: what it would tell systemd, it tells the launcher."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

from mpc_controller.node.notify import ADDRESS, PERIOD

_LONGEST: Final = 4096


@final
class Heartbeat:
    """Hears one child's words at the socket `path`. It is silent when its loop has not turned for `patience_s`; before its
    first word nobody waits for it."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self._patience_s = patience_s
        self._heard_s: float | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.environment: Mapping[str, str] = {ADDRESS: str(path), PERIOD: str(round(patience_s * 1e6))}

    def is_silent(self, now_s: float) -> bool:
        """After taking in what has come."""
        while True:
            try:
                self._socket.recv(_LONGEST)
            except BlockingIOError:
                break
            self._heard_s = now_s
        return self._heard_s is not None and now_s - self._heard_s > self._patience_s

    def forget(self) -> None:
        """For a process that starts again: its predecessor's words are not its own."""
        self.is_silent(0.0)
        self._heard_s = None

    def close(self) -> None:
        """Free the socket."""
        self._socket.close()
