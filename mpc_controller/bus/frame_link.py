"""What links of every transport have in common: they move frames, and read them alike."""

from __future__ import annotations

import abc
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, final

from mpc_controller.bus.codec import encode
from mpc_controller.bus.counts import Counts
from mpc_controller.bus.inbox import Inbox
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Message, Observation, Plan, Truth
from mpc_controller.bus.plant_inbox import PlantInbox

# Frames kept for a peer that does not read: two seconds of 500 Hz observations and truth with 100 Hz plans, some 3 MB.
HIGH_WATER_MARK: Final = 2000

# Messages whose older ones say nothing more once a newer one is there.
NEWEST_ONLY: Final = (Observation, Truth, Plan)


@final
@dataclass(frozen=True)
class Budget:
    """What one call takes in: frames until there are `frames`, or until they have `bytes` together."""

    frames: int
    bytes: int


# A tick's worth: some 0.2 ms with the repeats, many times what controllers and operators say between two ticks.
PLANT_BUDGET: Final = Budget(frames=32, bytes=256 * 2**10)
# All that can have come.
PEER_BUDGET: Final = Budget(frames=2 * HIGH_WATER_MARK, bytes=64 * 2**20)


class FrameLink(Link):
    """A link over a transport that moves frames: `put`, `drain` and `close` are all that a transport adds."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    @abc.abstractmethod
    def put(self, frame: bytes) -> None:
        """Hand one frame over as it is, without waiting."""

    @abc.abstractmethod
    def drain(self, timeout_s: float, budget: Budget) -> list[bytes]:
        """The frames that have come, oldest first, unread; waits up to `timeout_s` for a first one."""

    def send(self, message: Message) -> None:
        self.put(encode(message))


class PlantEnd(FrameLink):
    """Takes in what `PLANT_BUDGET` allows, and sends it out again, as the plant does."""

    def __init__(self) -> None:
        self._inbox = PlantInbox()
        super().__init__(self._inbox.counts)

    def receive(self, timeout_s: float) -> Sequence[Message]:
        messages, repeated = self._inbox.read(self.drain(timeout_s, PLANT_BUDGET))
        for frame in repeated:
            self.put(frame)
        return messages


class PeerEnd(FrameLink):
    """Reads all; `newest_only`: of these kinds only the newest message is given, the older ones are counted as dropped."""

    def __init__(self, newest_only: Collection[type[Message]]) -> None:
        self._inbox = Inbox(newest_only)
        super().__init__(self._inbox.counts)

    def receive(self, timeout_s: float) -> Sequence[Message]:
        return self._inbox.read(self.drain(timeout_s, PEER_BUDGET))

    def receive_frames(self, timeout_s: float) -> Sequence[bytes]:
        """For recorders: all frames of all kinds with a good header, as they came."""
        return self._inbox.readable(self.drain(timeout_s, PEER_BUDGET))
