"""The bus over ZeroMQ sockets. Nothing here waits for a peer; a peer that does not keep up loses messages."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final, final

import zmq

from mpc_controller.bus.codec import kind_of
from mpc_controller.bus.endpoints import BusError, Endpoints
from mpc_controller.bus.frame import prefix
from mpc_controller.bus.frame_link import HIGH_WATER_MARK, NEWEST_ONLY, FrameLink
from mpc_controller.bus.inbox import Inbox
from mpc_controller.bus.messages import Message
from mpc_controller.bus.socket_files import SocketFiles

# A plan of 200 intervals for a robot of 60 states and 30 controls has 3 MB.
MAX_FRAME_BYTES: Final = 16 * 2**20
# Every peer subscribes to this last of all. No frame begins like it; the plant counts peers by it.
_PRESENCE: Final = b"peer"
_HEARTBEAT_MS: Final = 1000
_HEARTBEAT_TIMEOUT_MS: Final = 3000


@final
class PlantLink(FrameLink):
    """The plant's end: binds both endpoints, and repeats on `out` every valid message that came on `in`.

    Raises BusError when another process has them. Every message of every peer is given: whose plans count is decided by
    the plant node.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        super().__init__(Inbox(newest_only=(), from_peers=True), repeats=True)
        self.peers = 0  # that hear all that is sent from now on; brought up to date by `drain`
        self._files = SocketFiles(endpoints)
        self._context = zmq.Context()
        try:
            self._sub = _socket(self._context, zmq.SUB, endpoints)
            self._sub.subscribe(b"")
            _bind(self._sub, endpoints.inbox)
            self._pub = _socket(self._context, zmq.XPUB, endpoints)
            self._pub.setsockopt(zmq.XPUB_VERBOSER, 1)  # tell of every peer's subscriptions, not of the first one's only
            _bind(self._pub, endpoints.out)
            self._files.make_private()
        except BaseException:
            self.close()
            raise

    def put(self, frame: bytes) -> None:
        self._pub.send(frame, zmq.NOBLOCK)

    def drain(self, timeout_s: float) -> list[bytes]:
        for subscription in _drain(self._pub, 0.0):
            if subscription[1:] == _PRESENCE:
                self.peers += 1 if subscription[:1] == b"\x01" else -1
        return _drain(self._sub, timeout_s)

    def close(self) -> None:
        self._context.destroy(linger=0)
        self._files.remove()


@final
class PeerLink(FrameLink):
    """Everyone else's end: hears `out`, sends to `in`.

    kinds: what to hear (all when None). newest_only: of these kinds only the newest message is given, the older ones that
    came meanwhile are counted as dropped. The plant may start later, or again; the sockets find it by themselves.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        newest_only: Collection[type[Message]] = NEWEST_ONLY,
        kinds: Collection[type[Message]] | None = None,
    ) -> None:
        super().__init__(Inbox(newest_only, from_peers=False), repeats=False)
        self._context = zmq.Context()
        self._sub = _socket(self._context, zmq.SUB, endpoints)
        for start in [b""] if kinds is None else [prefix(kind_of(kind)) for kind in kinds]:
            self._sub.subscribe(start)
        self._sub.subscribe(_PRESENCE)
        self._sub.connect(endpoints.out)
        self._pub = _socket(self._context, zmq.PUB, endpoints)
        self._pub.connect(endpoints.inbox)

    def put(self, frame: bytes) -> None:
        self._pub.send(frame, zmq.NOBLOCK)

    def drain(self, timeout_s: float) -> list[bytes]:
        return _drain(self._sub, timeout_s)

    def close(self) -> None:
        self._context.destroy(linger=0)


def _socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, endpoints: Endpoints) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
    socket.setsockopt(zmq.IPV6, 0)
    if endpoints.is_tcp:
        socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TTL, _HEARTBEAT_TIMEOUT_MS)
    return socket


def _bind(socket: zmq.Socket[bytes], endpoint: str) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise BusError(f"endpoint {endpoint} is in use: is another plant running?") from None
        raise BusError(f"endpoint {endpoint} can't be bound: {error.strerror}") from None


def _drain(socket: zmq.Socket[bytes], timeout_s: float) -> list[bytes]:
    """Every frame in the queue, at most twice what it holds; waits for a first one, in steps of 1 ms."""
    frames: list[bytes] = []
    if timeout_s > 0 and not socket.poll(math.ceil(timeout_s * 1000)):
        return frames
    try:
        while len(frames) < 2 * HIGH_WATER_MARK:
            frames.append(socket.recv(zmq.NOBLOCK))
    except zmq.Again:
        pass
    return frames
