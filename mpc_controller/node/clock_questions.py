"""Asks a plant for its time, with what the bus has: the plant repeats every message, in its order among the observations."""

from __future__ import annotations

import os
from typing import Final, final

from mpc_controller.bus.frame import Kind
from mpc_controller.bus.keys import MAY_SAY, Credentials, PeerKey
from mpc_controller.bus.messages import Event, EventKind, Message, Observation
from mpc_controller.node.clock_offset import ClockComparison, ClockEstimate
from mpc_controller.node.observed import Hearing, Order

QUESTION: Final = "what time is it?"
_MOST_OPEN: Final = 64  # questions; older ones are given up
_NUMBER: Final = "question"
_ASKER: Final = "asker"


def may_ask(credentials: Credentials | None) -> bool:
    """Whether the plant repeats what this peer sends: observers are heard by nobody."""
    return not isinstance(credentials, PeerKey) or Kind.EVENT in MAY_SAY[credentials.role]


@final
class ClockQuestions:
    """One peer's questions, a period apart; None for one who may not ask, and only hears. `due` gives the next one to send at
    once; `accept` takes in all that is heard, in its order. All times of the peer are of time.monotonic_ns().

    The observation that follows a question's return was taken after the question was sent. That needs a transport that keeps
    the order, as tcp and ipc do.
    """

    def __init__(self, source: str, period_ns: int | None) -> None:
        self._source, self._period_ns = source, period_ns
        self._asker = os.urandom(8).hex()
        self._sent: dict[str, int] = {}
        self._next_ns, self._count = 0, 0
        self._hearing = Hearing()
        self._returned_ns: int | None = None
        self._comparison = ClockComparison()

    def due(self, now_ns: int) -> Event | None:
        """Once a period, of a plant that speaks: what others are asked piles up."""
        newest = self._hearing.newest
        if self._period_ns is None or newest is None or now_ns < self._next_ns:
            return None
        self._next_ns = now_ns + self._period_ns
        self._count += 1
        number = str(self._count)
        self._sent[number] = now_ns
        if len(self._sent) > _MOST_OPEN:
            del self._sent[next(iter(self._sent))]
        return Event(EventKind.INFO, newest.time_ns, self._source, QUESTION, details={_ASKER: self._asker, _NUMBER: number})

    def accept(self, message: Message, now_ns: int) -> None:
        """What came at `now_ns`. Of simulations in lock-step, whose time is nobody's, nothing is taken in."""
        if isinstance(message, Event) and message.text == QUESTION and message.details.get(_ASKER) == self._asker:
            sent_ns = self._sent.pop(message.details.get(_NUMBER, ""), None)
            if sent_ns is not None:
                self._returned_ns = sent_ns
        elif isinstance(message, Observation) and not message.lock_step:
            self._hear(message, now_ns)

    def estimate(self, now_ns: int) -> ClockEstimate | None:
        """None as long as nothing came back."""
        return self._comparison.estimate(now_ns)

    def _hear(self, observation: Observation, now_ns: int) -> None:
        order = self._hearing.take(observation)
        if order is Order.REPEAT:
            return
        self._comparison.heard(observation.time_ns, now_ns)
        if order is Order.LATE:
            return
        if self._returned_ns is not None:
            self._comparison.answered(self._returned_ns, observation.time_ns, now_ns)
            self._returned_ns = None
