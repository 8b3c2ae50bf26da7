"""Which frames count for a peer."""

from mpc_controller.bus.codec import encode
from mpc_controller.bus.inbox import Inbox
from mpc_controller.bus.messages import EStop, Message, Observation, Plan
from tests.bus.examples import observation, plan


def test_of_newest_only_kinds_the_last_frame_counts_and_the_others_are_dropped() -> None:
    inbox = Inbox(newest_only=(Observation,))
    sent: list[Message] = [observation(1), plan(1), observation(2), EStop(1), observation(3), plan(2), EStop(2)]
    messages = inbox.read([encode(m) for m in sent])
    kept = [(type(m), getattr(m, "sequence", 0)) for m in messages]
    assert kept == [(Plan, 1), (EStop, 1), (Observation, 3), (Plan, 2), (EStop, 2)]
    assert (inbox.counts.received, inbox.counts.dropped, inbox.counts.rejected) == (7, 2, 0)


def test_an_unreadable_header_does_not_hide_a_good_frame() -> None:
    inbox = Inbox(newest_only=(Observation,))
    messages = inbox.read([encode(observation(1)), encode(observation(2))[:-1]])
    assert [message.sequence for message in messages if isinstance(message, Observation)] == [1]
    assert (inbox.counts.dropped, inbox.counts.rejected) == (0, 1)
