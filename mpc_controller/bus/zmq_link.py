"""The bus over ZeroMQ sockets. Nothing here waits for a peer; a peer that does not keep up loses messages."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Final, final

import zmq

from mpc_controller.bus.codec import kind_of
from mpc_controller.bus.endpoints import BusError, Endpoints
from mpc_controller.bus.frame import LARGEST_UPDATE, prefix
from mpc_controller.bus.frame_link import HIGH_WATER_MARK, NEWEST_ONLY, Budget, PeerEnd, PlantEnd
from mpc_controller.bus.guard import Guard
from mpc_controller.bus.io_threads import new_context
from mpc_controller.bus.keys import KeyFolder, PeerKey
from mpc_controller.bus.large_frames import LargeFrames, is_large
from mpc_controller.bus.messages import Message
from mpc_controller.bus.socket_files import SocketFiles, private_files
from mpc_controller.bus.subscriptions import Subscriptions, new_presence

# What the plant keeps of each peer, as much as one call takes in; more waits at the peer. Of the largest updates these would be
# 0.13 GB.
_PLANT_HIGH_WATER_MARK: Final = 32
# Subscriptions that one call looks at.
_SUBSCRIPTIONS: Final = 16
# What ZeroMQ keeps of each peer for it, without keys and with: it goes on within a call of the plant for as long as there are
# more. With keys the words with the guard (ZAP), of eight parts each, are under the same mark.
_SUBSCRIPTIONS_KEPT: Final = (1, 16)
# Bytes of a longest one, without keys and with. Those of the bus have 12 at most, but what is said at first counts, too: some
# 40 by ZMTP, some 400 by CURVE.
_LONGEST_SUBSCRIPTION: Final = (64, 1024)
# What CURVE adds to a message: a command's name of 8, a nonce of 8, a code of 16 and a flag.
_CURVE_BYTES: Final = 33
_HEARTBEAT_MS: Final = 1000
_HANDSHAKE_MS: Final = 3000
# What a frame that is not given counts for in a budget: some sixty small ones end a call, or one of 4 MiB, which takes 0.1 ms
# to free.
_REFUSED_BYTES: Final = 2**12
_REFUSED_SHARE: Final = 16
_HEARTBEAT_TIMEOUT_MS: Final = 3000


@final
class PlantLink(PlantEnd):
    """The plant's end: binds both endpoints, and repeats on `out` what came on `in`.

    Raises BusError when another process has them. Every plan of every controller may be given: whose count is decided by
    the plant node. io_priority: see `new_context`.
    """

    def __init__(self, endpoints: Endpoints, io_priority: int = 0) -> None:
        super().__init__()
        self._large = LargeFrames(self.counts)
        self._subscriptions = Subscriptions(endpoints.out)
        self._files = SocketFiles(endpoints)
        self._context = new_context(io_priority)
        self._guard: Guard | None = None
        try:
            if endpoints.credentials is not None:
                self._guard = Guard(self._context, _plant_keys(endpoints), self.counts)
            self._sub = _socket(self._context, zmq.SUB, endpoints)
            self._sub.setsockopt(zmq.RCVHWM, _PLANT_HIGH_WATER_MARK)
            self._sub.subscribe(b"")
            self._pub = _socket(self._context, zmq.XPUB, endpoints)
            self._pub.setsockopt(zmq.RCVHWM, _SUBSCRIPTIONS_KEPT[self._guard is not None])
            self._pub.setsockopt(zmq.MAXMSGSIZE, _LONGEST_SUBSCRIPTION[self._guard is not None])
            with private_files():
                if self._guard is not None:
                    self._guard.protect(self._sub)
                    self._guard.protect(self._pub)
                _bind(self._sub, endpoints.inbox)
                _bind(self._pub, endpoints.out)
        except BaseException:
            self.close()
            raise

    @property
    def peers(self) -> int:
        """How many hear all that is sent from now on; `receive` brings it up to date."""
        return self._subscriptions.peers

    def put(self, frame: bytes) -> None:
        if is_large(frame):
            self._large.send(self._pub, frame)
        else:
            self._pub.send(frame, zmq.NOBLOCK)

    def drain(self, timeout_s: float, budget: Budget) -> list[bytes]:
        self._hear_subscriptions()
        frames = _drain_admitted(self._sub, timeout_s, budget, self._admit)
        self._large.repeat_due(self._pub)
        return frames

    def close(self) -> None:
        if self._guard is not None:
            self._guard.close()
        self._context.destroy(linger=0)
        self._files.remove()

    def _admit(self, frame: zmq.Frame) -> bytes | None:
        if self._guard is not None and not self._guard.admits(frame):
            return None
        return self._large.admit(frame) if is_large(frame) else frame.bytes

    def _hear_subscriptions(self) -> None:
        try:
            for _ in range(_SUBSCRIPTIONS):
                self._subscriptions.take(self._pub.recv(zmq.NOBLOCK, copy=False))
        except zmq.Again:
            return


@final
class PeerLink(PeerEnd):
    """Everyone else's end: hears `out`, sends to `in`.

    kinds: what to hear (all when None). newest_only: of these kinds only the newest message is given, the older ones that
    came meanwhile are counted as dropped. io_priority: see `new_context`. The plant may start later, or again; the sockets
    find it by themselves.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        newest_only: Collection[type[Message]] = NEWEST_ONLY,
        kinds: Collection[type[Message]] | None = None,
        io_priority: int = 0,
    ) -> None:
        super().__init__(newest_only)
        if isinstance(endpoints.credentials, KeyFolder):
            raise BusError(
                "given is the plant's folder of keys; all others need a file of their own, which `mpc keys add` makes"
            )
        self._context = new_context(io_priority)
        self._sub = _socket(self._context, zmq.SUB, endpoints)
        for start in [b""] if kinds is None else [prefix(kind_of(kind)) for kind in kinds]:
            self._sub.subscribe(start)
        self._sub.subscribe(new_presence())
        self._sub.connect(endpoints.out)
        self._pub = _socket(self._context, zmq.PUB, endpoints)
        self._pub.connect(endpoints.inbox)

    def put(self, frame: bytes) -> None:
        self._pub.send(frame, zmq.NOBLOCK)

    def drain(self, timeout_s: float, budget: Budget) -> list[bytes]:
        return _drain(self._sub, timeout_s, budget)

    def close(self) -> None:
        self._context.destroy(linger=0)


def _socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, endpoints: Endpoints) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_UPDATE + (0 if endpoints.credentials is None else _CURVE_BYTES))
    socket.setsockopt(zmq.IPV6, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    if isinstance(endpoints.credentials, PeerKey):
        socket.curve_publickey = endpoints.credentials.pair.public.encode("ascii")
        socket.curve_secretkey = endpoints.credentials.pair.secret.encode("ascii")
        socket.curve_serverkey = endpoints.credentials.plant_public.encode("ascii")
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


def _plant_keys(endpoints: Endpoints) -> KeyFolder:
    if not isinstance(endpoints.credentials, KeyFolder):
        raise BusError("a plant needs its folder of keys, which `mpc keys init` makes; given is the key of a peer")
    return endpoints.credentials


def _drain(socket: zmq.Socket[bytes], timeout_s: float, budget: Budget) -> list[bytes]:
    """What is in the queue, oldest first of every peer in turn; waits for a first frame, in steps of 1 ms."""
    frames: list[bytes] = []
    size = 0
    if timeout_s > 0 and not socket.poll(math.ceil(timeout_s * 1000)):
        return frames
    try:
        while len(frames) < budget.frames and size < budget.bytes:
            frames.append(socket.recv(zmq.NOBLOCK))
            size += len(frames[-1])
    except zmq.Again:
        pass
    return frames


def _drain_admitted(
    socket: zmq.Socket[bytes], timeout_s: float, budget: Budget, admit: Callable[[zmq.Frame], bytes | None]
) -> list[bytes]:
    """As `_drain`, of those that `admit` gives, which are not copied before."""
    frames: list[bytes] = []
    size = 0
    if timeout_s > 0 and not socket.poll(math.ceil(timeout_s * 1000)):
        return frames
    try:
        while len(frames) < budget.frames and size < budget.bytes:
            received = socket.recv(zmq.NOBLOCK, copy=False)
            frame = admit(received)
            if frame is None:
                size += max(_REFUSED_BYTES, len(received) // _REFUSED_SHARE)
            else:
                frames.append(frame)
                size += len(frame)
    except zmq.Again:
        pass
    return frames
