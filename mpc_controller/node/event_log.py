"""Events of a node: counted always, told at most once a second each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, final

from mpc_controller.bus.messages import Event, EventKind

_PAUSE_NS = 1_000_000_000
# With four bytes a character and what Protobuf adds these are 49 KB: any event fits into its frame of 64 KiB.
_LONGEST_TEXT: Final = 2000
_MOST_DETAILS: Final = 64
_LONGEST_DETAILS: Final = 10_000  # characters, of all names and values together


@final
class EventLog:
    """Collects events until the node sends them. Times are the plant's. Texts that would not fit into a frame, as of what
    others said, are cut, and end in "…"."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._pending: list[Event] = []
        self._told_ns: dict[str, int] = {}
        self.counts: Counter[str] = Counter()

    def tell(self, kind: EventKind, time_ns: int, text: str, topic: str = "", details: Mapping[str, str] | None = None) -> None:
        """Add an event. Those with a `topic` are counted by it and told at most once a second."""
        if topic:
            self.counts[topic] += 1
            told_ns = self._told_ns.get(topic)
            if told_ns is not None and 0 <= time_ns - told_ns < _PAUSE_NS:
                return
            self._told_ns[topic] = time_ns
        count = self.counts[topic] if topic else 1
        self._pending.append(Event(kind, time_ns, self._source, _cut(text, _LONGEST_TEXT), count, _cut_details(details or {})))

    def drain(self) -> list[Event]:
        """What is to be sent now."""
        pending, self._pending = self._pending, []
        return pending


def _cut_details(details: Mapping[str, str]) -> dict[str, str]:
    """Each has an equal share of the room: half for its name."""
    kept = list(details.items())[:_MOST_DETAILS]
    longest = _LONGEST_DETAILS // (2 * max(1, len(kept)))
    return {_cut(name, longest): _cut(value, longest) for name, value in kept}


def _cut(text: str, longest: int) -> str:
    """Characters that UTF-8 does not have, as in names of files, are replaced, too."""
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.encode("utf-8", "replace").decode("utf-8")
