"""The bus inside one process, for tests: the same frames, the same rules, no sockets."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection
from typing import final

from mpc_controller.bus.codec import kind_of
from mpc_controller.bus.endpoints import BusError
from mpc_controller.bus.frame import prefix
from mpc_controller.bus.frame_link import HIGH_WATER_MARK, NEWEST_ONLY, Budget, PeerEnd, PlantEnd
from mpc_controller.bus.messages import Message


@final
class FakeBus:
    """`plant_link()` and any number of `peer_link(...)`, from any threads. Peers hear what is sent after they were made."""

    def __init__(self) -> None:
        self._plant: _Queue | None = None
        self._peers: list[_Queue] = []

    def plant_link(self) -> FakePlantLink:
        """The plant's end; one at a time."""
        if self._plant is not None:
            raise BusError("endpoint of the fake bus is in use: is another plant running?")
        self._plant = _Queue((b"",))
        return FakePlantLink(self, self._plant)

    def peer_link(
        self,
        newest_only: Collection[type[Message]] = NEWEST_ONLY,
        kinds: Collection[type[Message]] | None = None,
    ) -> FakePeerLink:
        """Everyone else's end, as `PeerLink`."""
        queue = _Queue((b"",) if kinds is None else tuple(prefix(kind_of(kind)) for kind in kinds))
        self._peers.append(queue)
        return FakePeerLink(self, queue, newest_only)

    def put_in(self, frame: bytes) -> None:
        """A frame to the plant, whatever is in it."""
        if self._plant is not None:
            self._plant.put(frame)

    def put_out(self, frame: bytes) -> None:
        """A frame to all peers, whatever is in it."""
        for peer in list(self._peers):
            peer.put(frame)

    def leave(self, queue: _Queue) -> None:
        """The owner of the queue closed its link."""
        if queue is self._plant:
            self._plant = None
        elif queue in self._peers:
            self._peers.remove(queue)


@final
class FakePlantLink(PlantEnd):
    """As `PlantLink`."""

    def __init__(self, bus: FakeBus, queue: _Queue) -> None:
        super().__init__()
        self._bus, self._queue = bus, queue

    def put(self, frame: bytes) -> None:
        self._bus.put_out(frame)

    def drain(self, timeout_s: float, budget: Budget) -> list[bytes]:
        return self._queue.drain(timeout_s, budget)

    def close(self) -> None:
        self._bus.leave(self._queue)


@final
class FakePeerLink(PeerEnd):
    """As `PeerLink`."""

    def __init__(self, bus: FakeBus, queue: _Queue, newest_only: Collection[type[Message]]) -> None:
        super().__init__(newest_only)
        self._bus, self._queue = bus, queue

    def put(self, frame: bytes) -> None:
        self._bus.put_in(frame)

    def drain(self, timeout_s: float, budget: Budget) -> list[bytes]:
        return self._queue.drain(timeout_s, budget)

    def close(self) -> None:
        self._bus.leave(self._queue)


@final
class _Queue:
    """Frames that start with one of the prefixes; when full, new ones are lost, as in ZeroMQ."""

    def __init__(self, prefixes: tuple[bytes, ...]) -> None:
        self._prefixes = prefixes
        self._frames: deque[bytes] = deque()
        self._changed = threading.Condition()

    def put(self, frame: bytes) -> None:
        with self._changed:
            if frame.startswith(self._prefixes) and len(self._frames) < HIGH_WATER_MARK:
                self._frames.append(frame)
                self._changed.notify()

    def drain(self, timeout_s: float, budget: Budget) -> list[bytes]:
        frames: list[bytes] = []
        size = 0
        with self._changed:
            if timeout_s > 0:
                self._changed.wait_for(lambda: bool(self._frames), timeout_s)
            while self._frames and len(frames) < budget.frames and size < budget.bytes:
                frames.append(self._frames.popleft())
                size += len(frames[-1])
        return frames
