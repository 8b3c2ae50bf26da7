"""Tells a service manager how its process goes: sd_notify(3), a line of text to a datagram socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self, final

ADDRESS: Final = "NOTIFY_SOCKET"
PERIOD: Final = "WATCHDOG_USEC"
_OF_PROCESS: Final = "WATCHDOG_PID"
VARIABLES: Final = (ADDRESS, PERIOD, _OF_PROCESS)  # of the environment
# Of the manager's patience; sd_watchdog_enabled(3) advises half of it.
_SHARE: Final = 0.25


@final
class Notifier:
    """What a loop's process tells; without an address it tells nobody. Leaving the context says that the process stops.

    address: of the socket; one that begins with @ is abstract. watchdog_s: how long the manager bears silence (0: for ever). No
    call waits or raises: what the manager does not take is lost.
    """

    def __init__(self, address: str = "", watchdog_s: float = 0.0, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._period_s, self._clock_s = _SHARE * watchdog_s, clock_s
        self._next_s = -1.0
        self._socket: socket.socket | None = None
        if not address:
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ) -> Notifier:
        """As the manager that started this process asks."""
        period = environment.get(PERIOD, "")
        is_ours = environment.get(_OF_PROCESS, str(os.getpid())) == str(os.getpid())
        watchdog_s = int(period) * 1e-6 if is_ours and period.isascii() and period.isdigit() else 0.0
        return Notifier(environment.get(ADDRESS, ""), watchdog_s)

    def ready(self, status: str) -> None:
        """The set-up is done."""
        self._tell(f"READY=1\nSTATUS={_line(status)}")

    def turned(self) -> None:
        """A loop has turned once more; told four times in the manager's patience."""
        if not self._period_s:
            return
        now_s = self._clock_s()
        if now_s >= self._next_s:
            self._next_s = now_s + self._period_s
            self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """For people who ask the manager."""
        self._tell(f"STATUS={_line(text)}")

    def close(self) -> None:
        """The loop has ended; what follows is tidying up."""
        self._tell("STOPPING=1")
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def watched(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """`stop`, which the loops ask once a turn: each time that the answer is no, the loop turns."""
        if not self._period_s:
            return stop

        def asked() -> bool:
            if stop():
                return True
            self.turned()
            return False

        return asked

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _tell(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError:
            return  # the manager is gone or does not read; the loop is not held up for it


def _line(text: str) -> str:
    return " ".join(text.split())
