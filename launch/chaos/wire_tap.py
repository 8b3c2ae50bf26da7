"""A wire between a plant's two ports and a peer that someone listens at."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self, final

_KEPT = 2**20


@final
class WireTap:
    """Passes on what comes to `tap_port` and the next one to `plant_port` and the next one, and back.

    `recorded()` are the bytes that came to the second, where commands go, in one connection.
    """

    def __init__(self, plant_port: int, tap_port: int) -> None:
        self._recorded = bytearray()
        self._selector = selectors.DefaultSelector()
        self._other_end: dict[socket.socket, socket.socket] = {}
        self._commands: socket.socket | None = None
        self._plant_port = plant_port
        for offset in (0, 1):
            listener = socket.create_server(("127.0.0.1", tap_port + offset))
            self._selector.register(listener, selectors.EVENT_READ, offset)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def recorded(self) -> bytes:
        """So far, a megabyte at most."""
        return bytes(self._recorded)

    def _run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.1):
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                if key.data is None:
                    self._pass_on(ready)
                else:
                    self._connect(ready, key.data)

    def _connect(self, listener: socket.socket, offset: int) -> None:
        peer, _ = listener.accept()
        try:
            plant = socket.create_connection(("127.0.0.1", self._plant_port + offset), timeout=5.0)
        except OSError:
            peer.close()
            return
        if offset == 1 and self._commands is None:
            self._commands = peer
        for one, other in ((peer, plant), (plant, peer)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._other_end[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        sink = self._other_end.get(source)
        if sink is None:  # closed in this round, with its other end
            return
        try:
            data = source.recv(2**16)
            sink.sendall(data)
        except OSError:
            data = b""
        if source is self._commands and len(self._recorded) < _KEPT:
            self._recorded += data
        if not data:
            for end in (source, sink):
                del self._other_end[end]
                self._selector.unregister(end)
                end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            with suppress(OSError):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.close()
        self._selector.close()
