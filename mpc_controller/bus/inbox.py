"""From the frames that came to the messages that a peer reads: the same for real sockets and for the fake."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import final

from mpc_controller.bus.codec import decode, kind_of
from mpc_controller.bus.counts import Counts
from mpc_controller.bus.frame import WireError, read_header
from mpc_controller.bus.messages import Message


@final
class Inbox:
    """Sorts and decodes frames; `newest_only`: of these kinds only the newest frame is decoded."""

    def __init__(self, newest_only: Collection[type[Message]]) -> None:
        self.counts = Counts()
        self._newest_only = {kind_of(message) for message in newest_only}

    def read(self, frames: Sequence[bytes]) -> list[Message]:
        """The messages of the frames that count, oldest first. Bad ones are counted, never raised."""
        self.counts.received += len(frames)
        superseded = self._superseded(frames)
        self.counts.dropped += len(superseded)
        messages = []
        for i, frame in enumerate(frames):
            if i in superseded:
                continue
            try:
                messages.append(decode(frame))
            except WireError as error:
                self.counts.reject(error)
        return messages

    def readable(self, frames: Sequence[bytes]) -> list[bytes]:
        """The frames with a good header; the others are counted."""
        self.counts.received += len(frames)
        return [frame for frame in frames if self._is_readable(frame)]

    def _superseded(self, frames: Sequence[bytes]) -> set[int]:
        """Indices of the frames that a newer one of the same kind makes worthless."""
        if len(frames) < 2 or not self._newest_only:
            return set()
        result, seen = set(), set()
        for i in range(len(frames) - 1, -1, -1):
            try:
                kind = read_header(frames[i])
            except WireError:
                continue
            if kind in seen:
                result.add(i)
            elif kind in self._newest_only:
                seen.add(kind)
        return result

    def _is_readable(self, frame: bytes) -> bool:
        try:
            read_header(frame)
        except WireError as error:
            self.counts.reject(error)
            return False
        return True
