"""From the frames that peers sent to what the plant acts on and what it repeats: bounded work, whatever they send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from mpc_controller.bus.codec import STREAMS, decode
from mpc_controller.bus.counts import Counts
from mpc_controller.bus.frame import Kind, WireError, read_header
from mpc_controller.bus.messages import Message

# Plans of one call that are decoded. The plant follows the newest; two controllers may send in turn for a while. The first ones
# are for whom another peer's flood would drown: ZeroMQ takes from the peers in turn.
FIRST_PLANS: Final = 4
NEWEST_PLANS: Final = 4
_ACTED_ON: Final = (Kind.PLAN, Kind.E_STOP, Kind.ARM)


@final
class PlantInbox:
    """Decodes what the plant acts on: some plans, and stops and arming by operators. Of all else it checks the header."""

    def __init__(self) -> None:
        self.counts = Counts()

    def read(self, frames: Sequence[bytes]) -> tuple[list[Message], list[bytes]]:
        """Messages to act on and frames to repeat, oldest first. Bad frames are counted, never raised.

        The plans between are counted as dropped and repeated unread, so that a recording has all of them.
        """
        self.counts.received += len(frames)
        kinds = [self._kind(frame) for frame in frames]
        plans = [i for i, kind in enumerate(kinds) if kind is Kind.PLAN]
        older_plans = set(plans[FIRST_PLANS:-NEWEST_PLANS])
        self.counts.dropped += len(older_plans)
        messages, repeated = [], []
        for i, (frame, kind) in enumerate(zip(frames, kinds, strict=True)):
            if kind is None:
                continue
            if kind in _ACTED_ON and i not in older_plans:
                try:
                    messages.append(decode(frame))
                except WireError as error:
                    self.counts.reject(error)
                    continue
            repeated.append(frame)
        return messages, repeated

    def _kind(self, frame: bytes) -> Kind | None:
        """None for a frame that is refused."""
        try:
            kind = read_header(frame)
            if STREAMS[kind].plant_only:
                raise WireError("kind", f"{kind.name} was sent to the plant; only a plant says that")
        except WireError as error:
            self.counts.reject(error)
            return None
        return kind
