"""Shows people what a node tells about itself, without ever holding its loop up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, final

from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Event, EventKind, Message

_MOST_WAITING: Final = 64  # nodes tell each topic at most once a second
_LAST_LINES_S: Final = 0.5


@final
class AnnouncingLink(Link):
    """The link, whose `send` also hands the text of each Event that is more than INFO to `announce`, on a thread of its own.

    Where `announce` does not keep up, as on a terminal that is stopped, lines are dropped. `close` gives those that wait half a
    second, and closes the link.
    """

    def __init__(self, link: Link, announce: Callable[[str], None]) -> None:
        self._link, self._announce = link, announce
        self.counts = link.counts
        # Its `put` never waits, not even for a lock that the other thread holds.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._speak, name="announcements", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        self._link.send(message)
        if isinstance(message, Event) and message.kind is not EventKind.INFO and self._lines.qsize() < _MOST_WAITING:
            self._lines.put(message.text)

    def receive(self, timeout_s: float) -> Sequence[Message]:
        return self._link.receive(timeout_s)

    def close(self) -> None:
        self._lines.put(None)
        self._thread.join(_LAST_LINES_S)
        self._link.close()

    def _speak(self) -> None:
        with suppress(OSError):  # nobody reads any more
            while (line := self._lines.get()) is not None:
                self._announce(line)
