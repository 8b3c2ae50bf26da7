"""Events of a node: counted always, told at most once a second each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import final

from mpc_controller.bus.messages import Event, EventKind

_PAUSE_NS = 1_000_000_000


@final
class EventLog:
    """Collects events until the node sends them. Times are the plant's."""

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
        self._pending.append(Event(kind, time_ns, self._source, text, count, dict(details or {})))

    def drain(self) -> list[Event]:
        """What is to be sent now."""
        pending, self._pending = self._pending, []
        return pending
