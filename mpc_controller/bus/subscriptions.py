"""What peers ask to hear: who is there, and who asks for more than anyone needs."""

from __future__ import annotations

import os
import socket
from collections import Counter
from typing import Final, final

import zmq

# Every peer subscribes to this and 8 bytes of its own: the plant counts peers by it. ZeroMQ sends subscriptions sorted, so a
# peer whose presence is known has said all that it wants to hear. No frame begins like it.
_PRESENCE: Final = b"peer"
_PRESENCE_BYTES: Final = len(_PRESENCE) + 8
_MOST_PEERS: Final = 256
# Of one connection: a peer has one for each kind at most, and its presence. There is no limit for all together, which would let
# some keep others out; each connection needs a file, and a process may open so many.
_MOST_OF_ONE: Final = 32


def new_presence() -> bytes:
    """What a peer subscribes to so that it is counted."""
    return _PRESENCE + os.urandom(_PRESENCE_BYTES - len(_PRESENCE))


@final
class Subscriptions:
    """Of an XPUB socket, which tells of each topic when a first connection begins to hear it, and when none does any more.

    ZeroMQ keeps all that it is asked for, some 50 bytes for each byte of a topic, and searches it within the plant's own calls:
    a connection with more topics than a peer of the bus has is ended, and ZeroMQ forgets what it asked for.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._peers: set[bytes] = set()
        self._connection_of: dict[bytes, int] = {}
        self._counts: Counter[int] = Counter()

    @property
    def peers(self) -> int:
        """How many hear all that is sent from now on."""
        return len(self._peers)

    def take(self, frame: zmq.Frame) -> None:
        """A byte 1, or 0 when it ends, and the topic. Ends also come for those that never began."""
        said = frame.bytes
        topic = said[1:]
        if said[:1] == b"\x01":
            self._begin(topic, _connection(frame))
        else:
            self._peers.discard(topic)
            self._counts[self._connection_of.pop(topic, -1)] -= 1

    def _begin(self, topic: bytes, connection: int) -> None:
        if len(topic) == _PRESENCE_BYTES and topic.startswith(_PRESENCE) and len(self._peers) < _MOST_PEERS:
            self._peers.add(topic)
        if connection < 0:
            return
        self._connection_of[topic] = connection
        self._counts[connection] += 1
        if self._counts[connection] > _MOST_OF_ONE:
            _end(connection, self._endpoint)
            # The next one with its number starts from nothing, though others may still hear the same topics.
            self._connection_of = {t: c for t, c in self._connection_of.items() if c != connection}
            del self._counts[connection]


def _connection(frame: zmq.Frame) -> int:
    """The number of the file behind the connection that a frame came from; -1 where ZeroMQ does not say."""
    try:
        return int(frame.get(zmq.SRCFD))
    except (zmq.ZMQError, ValueError, TypeError):
        return -1


def _end(connection: int, endpoint: str) -> None:
    """Shut a connection down; ZeroMQ then closes it. It may have ended by itself meanwhile, and something else have its number,
    so it must be one to our endpoint."""
    try:
        with socket.socket(fileno=os.dup(connection)) as own:
            name = own.getsockname()
            here = f"ipc://{name}" if own.family == socket.AF_UNIX else f"tcp://{name[0]}:{name[1]}"
            if here.rpartition(":")[2] == endpoint.rpartition(":")[2]:  # hosts differ where all are bound, as 0.0.0.0
                own.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
