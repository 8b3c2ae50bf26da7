"""Frames of more than 64 KiB: rare ones are let through one at a time, and what slow peers keep of them is bounded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast, final

import zmq

from mpc_controller.bus.counts import Counts
from mpc_controller.bus.frame import LARGEST_OTHER, MAGIC, Kind, WireError, read_header

# A residual is swapped now and then.
_PAUSE_S: Final = 0.1
_MOST_WAITING: Final = 4
# Of all that are sent and not yet taken by all. The 2000 frames that are kept for a peer hold less of plans of 0.3 MB.
_MOST_ON_THEIR_WAY: Final = 128 * 2**20
_HEADER_BYTES: Final = 12


def header_of(frame: zmq.Frame) -> Kind:
    """As `read_header`, of a frame that is still ZeroMQ's: no more than its header is copied. Raises WireError."""
    whole = frame.buffer
    return read_header(cast(bytes, whole) if whole[: len(MAGIC)] == MAGIC else bytes(whole[:_HEADER_BYTES]))


def is_large(frame: bytes | zmq.Frame) -> bool:
    """Whether a frame is one of plans and updates alone."""
    return len(frame) > LARGEST_OTHER


@final
class LargeFrames:
    """What the plant takes in of large frames, and what it sends of them. What is not is counted as `size`."""

    def __init__(self, counts: Counts, now_s: Callable[[], float] = time.monotonic) -> None:
        self._counts, self._now_s = counts, now_s
        self._waiting: deque[zmq.Frame] = deque()
        self._next_s = -1.0
        self._on_their_way: list[tuple[Any, int]] = []
        self._bytes = 0

    def admit(self, frame: zmq.Frame) -> bytes | None:
        """The frame, where it is a plan; an update has to wait for `repeat_due`, and for those before it."""
        try:
            if header_of(frame) is not Kind.PARAMETER_UPDATE:
                return frame.bytes
            if len(self._waiting) >= _MOST_WAITING:
                raise WireError("size", f"PARAMETER_UPDATE frame of {len(frame)} bytes, behind {_MOST_WAITING} large ones")
            self._waiting.append(frame)
        except WireError as error:
            self._counts.received += 1
            self._counts.reject(error)
        return None

    def repeat_due(self, socket: zmq.Socket[bytes]) -> None:
        """Send an update, of which a plant reads no more than the header, a tenth of a second after the one before."""
        if self._waiting and self._now_s() >= self._next_s:
            self._next_s = self._now_s() + _PAUSE_S
            self._counts.received += 1
            self.send(socket, self._waiting.popleft().buffer)

    def send(self, socket: zmq.Socket[bytes], frame: bytes | memoryview) -> None:
        """Without a copy, if peers have taken enough of those before."""
        if self._bytes + len(frame) > _MOST_ON_THEIR_WAY:
            self._on_their_way = [(tracker, size) for tracker, size in self._on_their_way if not tracker.done]
            self._bytes = sum(size for _, size in self._on_their_way)
        if self._bytes + len(frame) > _MOST_ON_THEIR_WAY:
            self._counts.reject(WireError("size", f"frame of {len(frame)} bytes is not sent: peers have to take {self._bytes}"))
            return
        self._on_their_way.append((socket.send(frame, zmq.NOBLOCK, copy=False, track=True), len(frame)))
        self._bytes += len(frame)
