"""From the frames that came to the messages that count: the same for real sockets and for the fake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import final

from mpc_controller.bus.codec import STREAMS, decode, kind_of
from mpc_controller.bus.frame import Kind, WireError, unwrap
from mpc_controller.bus.messages import Message


@final
@dataclass
class Counts:
    """What a link saw. dropped: superseded by a newer frame of its kind before anyone read it. rejected: not readable, by
    `WireError.reason` in `reasons`; `last_error` says how the last one was wrong ('' when none was)."""

    received: int = 0
    dropped: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    last_error: str = ""

    def reject(self, error: WireError) -> None:
        """Count a frame that could not be read."""
        self.rejected += 1
        self.reasons[error.reason] += 1
        self.last_error = str(error)


@final
class Inbox:
    """Sorts and decodes frames.

    newest_only: of these kinds only the newest frame is decoded. from_peers: refuse what only a plant may say.
    """

    def __init__(self, newest_only: Collection[type[Message]], from_peers: bool) -> None:
        self.counts = Counts()
        self._newest_only = {kind_of(message) for message in newest_only}
        self._from_peers = from_peers

    def read(self, frames: Sequence[bytes]) -> list[tuple[bytes, Message]]:
        """The frames that count and their messages, oldest first. Bad ones are counted, never raised."""
        self.counts.received += len(frames)
        superseded = self._superseded(frames)
        self.counts.dropped += len(superseded)
        pairs = []
        for i, frame in enumerate(frames):
            if i in superseded:
                continue
            try:
                pairs.append((frame, self._decode(frame)))
            except WireError as error:
                self.counts.reject(error)
        return pairs

    def readable(self, frames: Sequence[bytes]) -> list[bytes]:
        """The frames with a good header; the others are counted."""
        self.counts.received += len(frames)
        return [frame for frame in frames if self._kind(frame) is not None]

    def _superseded(self, frames: Sequence[bytes]) -> set[int]:
        """Indices of the frames that a newer one of the same kind makes worthless."""
        if len(frames) < 2 or not self._newest_only:
            return set()
        result, seen = set(), set()
        for i in range(len(frames) - 1, -1, -1):
            try:
                kind, _ = unwrap(frames[i])
            except WireError:
                continue
            if kind in seen:
                result.add(i)
            elif kind in self._newest_only:
                seen.add(kind)
        return result

    def _kind(self, frame: bytes) -> Kind | None:
        try:
            return unwrap(frame)[0]
        except WireError as error:
            self.counts.reject(error)
            return None

    def _decode(self, frame: bytes) -> Message:
        message = decode(frame)
        kind = kind_of(type(message))
        if self._from_peers and STREAMS[kind].plant_only:
            raise WireError("kind", f"{kind.name} was sent to the plant; only a plant says that")
        return message
