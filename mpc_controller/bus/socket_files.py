"""The files of a plant's ipc sockets: one owner at a time, nothing left behind.

ZeroMQ takes over an ipc file that another process is bound to without a word, and a killed process leaves its files. A
lock beside them, which the kernel frees when its holder dies, tells the two cases apart.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

from mpc_controller.bus.endpoints import BusError, Endpoints, default_address


@final
class SocketFiles:
    """Takes the lock and removes what a dead plant left. Does nothing for tcp. Raises BusError when a live plant has it."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._paths = endpoints.paths
        self._lock_file = -1
        if not self._paths:
            return
        self._lock_path = self._paths[0].with_suffix(".lock")
        try:
            _prepare_folder(self._paths[0].with_suffix(""))
            self._lock_file = _locked(self._lock_path)
            self._unlink_sockets()
        except BlockingIOError:
            raise BusError(f"endpoint {endpoints.out} is in use: is another plant running?") from None
        except OSError as error:
            self._unlock()
            raise BusError(f"endpoint {endpoints.out} can't be bound: {error.strerror}: {error.filename}") from None

    def remove(self) -> None:
        """Remove the files and give the lock back. May be called twice."""
        if self._lock_file >= 0:
            self._unlink_sockets()
            self._unlock()

    def _unlink_sockets(self) -> None:
        for path in self._paths:
            if path.is_socket():
                path.unlink()
            elif path.exists():
                raise FileExistsError(errno.EEXIST, "there is a file that is no socket", str(path))

    def _unlock(self) -> None:
        if self._lock_file >= 0:
            self._lock_path.unlink(missing_ok=True)
            os.close(self._lock_file)
            self._lock_file = -1


def _prepare_folder(bus: Path) -> None:
    """Make the folder of default addresses; another one must be there. Raises BusError."""
    if bus.is_dir():
        raise BusError(f"endpoint ipc://{bus} is a folder; give a file's name within it, such as ipc://{bus}/robot")
    folder = bus.parent
    if folder.is_dir():
        return
    with suppress(BusError):
        if folder == Path(default_address(bus.name).removeprefix("ipc://")).parent:
            folder.mkdir(mode=0o700, exist_ok=True)
            return
    raise BusError(f"endpoint ipc://{bus}: there is no folder {folder}; create it, or give an address in one that is there")


@contextmanager
def private_files() -> Iterator[None]:
    """Files made in the body are this user's alone from their first moment, wherever they are.

    The umask is the whole process's: what other threads make meanwhile is private too.
    """
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _locked(path: Path) -> int:
    """File descriptor of the locked file. Raises BlockingIOError when another holds it.

    Holders remove the file before they let go, so the lock counts only when the file is still the one at the path.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
