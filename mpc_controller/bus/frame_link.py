"""What links of every transport have in common: they move frames, and read them alike."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Final

from mpc_controller.bus.codec import encode
from mpc_controller.bus.inbox import Counts, Inbox
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Message, Observation, Plan, Truth

# Frames kept for a peer that does not read: two seconds of 500 Hz observations and truth with 100 Hz plans, some 3 MB.
HIGH_WATER_MARK: Final = 2000

# Messages whose older ones say nothing more once a newer one is there.
NEWEST_ONLY: Final = (Observation, Truth, Plan)


class FrameLink(Link):
    """A link over a transport that moves frames: `put`, `drain` and `close` are all that a transport adds.

    repeats: send every valid message that is received out again, as the plant does.
    """

    def __init__(self, inbox: Inbox, repeats: bool) -> None:
        self._inbox = inbox
        self._repeats = repeats

    @property
    def counts(self) -> Counts:
        """What came so far, and what was wrong with it."""
        return self._inbox.counts

    @abc.abstractmethod
    def put(self, frame: bytes) -> None:
        """Hand one frame over as it is, without waiting."""

    @abc.abstractmethod
    def drain(self, timeout_s: float) -> list[bytes]:
        """All frames that have come, oldest first, unread; waits up to `timeout_s` for a first one."""

    def send(self, message: Message) -> None:
        self.put(encode(message))

    def receive(self, timeout_s: float) -> Sequence[Message]:
        pairs = self._inbox.read(self.drain(timeout_s))
        if self._repeats:
            for frame, _ in pairs:
                self.put(frame)
        return [message for _, message in pairs]

    def receive_frames(self, timeout_s: float) -> Sequence[bytes]:
        """For recorders: all frames of all kinds with a good header, as they came."""
        return self._inbox.readable(self.drain(timeout_s))
