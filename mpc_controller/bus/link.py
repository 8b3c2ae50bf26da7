"""What the nodes see of the bus: send and receive messages. Sockets and fakes stand behind the same two methods."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from mpc_controller.bus.counts import Counts
from mpc_controller.bus.messages import Message


class Link(abc.ABC):
    """One end of a robot's bus.

    The plant's end binds the two endpoints of the robot: `out`, where it publishes everything that it says and repeats
    every message that it was sent, and `in`, where controllers and operators send. All others connect to both, so one
    address is all that anyone needs to know.

    counts: what came so far, and what was wrong with it. A peer of another protocol version is known by it alone.
    """

    counts: Counts

    @abc.abstractmethod
    def send(self, message: Message) -> None:
        """Hand a message over without waiting; when a peer does not keep up, its copy is dropped."""

    @abc.abstractmethod
    def receive(self, timeout_s: float) -> Sequence[Message]:
        """What has come, oldest first; waits up to `timeout_s` (0: not at all) for a first message.

        The plant's end gives what a plant acts on, plans and stops; one call takes a bounded number in, the next the rest.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Free the sockets and remove what was bound."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
