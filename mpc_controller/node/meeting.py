"""How a controller finds its plant."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Event, Message, Observation, ParameterUpdate, Reference
from mpc_controller.node.error import NodeError
from mpc_controller.node.observed import is_repeat
from mpc_controller.node.plant_watch import PlantWatch

_HELLO_S = 0.02
_SILENT_HELLO_S = 0.5  # while nothing was heard: hellos to a plant that is still starting pile up
_MUTE_S = 0.5  # a plant that spoke and did not repeat a hello by then repeats nothing
_KEPT = 256  # words of operators


@final
@dataclass(frozen=True)
class Met:
    """What the plant said, from its newest observation on, and what operators said until then; nothing when told to stop."""

    messages: Sequence[Message]
    operators: Sequence[ParameterUpdate | Reference]


def meet_plant(
    link: Link, watch: PlantWatch, introduce: Callable[[int], Event], robot: str, timeout_s: float, stop: Callable[[], bool]
) -> Met:
    """Wait until the plant speaks, hears, runs at the right rate and is led by no one else; `introduce(epoch)` is the hello.

    The plant repeats what it hears, so a hello that comes back shows that plans will arrive. One that repeats nothing is
    talked to all the same after a while. Raises NodeError when no plant speaks within `timeout_s`, when it speaks another
    version of the protocol, or when `watch` does.
    """
    meeting = _Meeting(link, watch, introduce)
    while not stop():
        meeting.greet()
        meeting.listen(min(_HELLO_S, timeout_s))
        if meeting.is_over:
            return Met(meeting.said, tuple(meeting.operators))
        if meeting.is_unintelligible:
            raise NodeError(f"the plant of '{robot}' can't be understood: {link.counts.last_error}")
        if meeting.silent_s > timeout_s:
            raise NodeError(f"no plant of '{robot}' answered within {timeout_s:g} s; is one running at this endpoint?")
    return Met((), ())


@final
class _Meeting:
    """What was said so far."""

    def __init__(self, link: Link, watch: PlantWatch, introduce: Callable[[int], Event]) -> None:
        self._link, self._watch, self._introduce = link, watch, introduce
        self.said: Sequence[Message] = ()
        self.operators: deque[ParameterUpdate | Reference] = deque(maxlen=_KEPT)
        self._versions = link.counts.reasons["version"]
        self._heard_s = time.monotonic()
        self._first_word_s: float | None = None
        self._newest: Observation | None = None
        self._epoch, self._is_heard, self._hello_s = -1, False, 0.0
        self._say_hello()

    def greet(self) -> None:
        """Say hello, again and again until it comes back; anew when our epoch had to rise."""
        if self._epoch != self._watch.epoch:
            self._say_hello()
        elif not self._is_heard and time.monotonic() - self._hello_s >= (_HELLO_S if self.said else _SILENT_HELLO_S):
            self._link.send(self._hello)
            self._hello_s = time.monotonic()

    def listen(self, wait_s: float) -> None:
        """Take in what comes."""
        messages = self._link.receive(wait_s)
        for message in messages:
            if isinstance(message, Observation):
                self._heard_s = time.monotonic()
                self._first_word_s = self._first_word_s or self._heard_s
                self._watch.meet(message)
                self._newest = message
            elif isinstance(message, ParameterUpdate | Reference):
                self.operators.append(message)
            elif isinstance(message, Event):
                self._is_heard |= message.details == self._hello.details
        self.said = _from_newest_observation([*self.said, *messages])

    @property
    def is_over(self) -> bool:
        """Whether a first plan may be made."""
        newest = self._newest
        if newest is None or self._first_word_s is None or self._epoch != self._watch.epoch:
            return False
        is_heard = self._is_heard or time.monotonic() - self._first_word_s > _MUTE_S
        # A plant in lock-step says nothing more before it has its first plan: its rate is checked later.
        return is_heard and self._watch.is_free and (self._watch.knows_rate or newest.lock_step)

    @property
    def is_unintelligible(self) -> bool:
        """Whether all that came is of another version of the protocol."""
        return not self.said and self._link.counts.reasons["version"] > self._versions

    @property
    def silent_s(self) -> float:
        """Time since the plant's last word."""
        return time.monotonic() - self._heard_s

    def _say_hello(self) -> None:
        self._epoch = self._watch.epoch
        self._hello = self._introduce(self._epoch)
        self._is_heard = False
        self._link.send(self._hello)
        self._hello_s = time.monotonic()


def _from_newest_observation(messages: Sequence[Message]) -> Sequence[Message]:
    """The tail that starts where the newest observation was first said: an epoch's first plan answers the first observation
    that it took in."""
    newest: Observation | None = None
    start = len(messages)
    for i in range(len(messages) - 1, -1, -1):
        message = messages[i]
        if isinstance(message, Observation):
            newest = newest or message
            if not is_repeat(message, newest):
                break
            start = i
    return messages[start:]
