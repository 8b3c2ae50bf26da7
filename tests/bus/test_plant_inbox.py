"""Which frames the plant reads, and which it repeats."""

import pytest

from mpc_controller.bus import wire_pb2 as wire
from mpc_controller.bus.codec import encode
from mpc_controller.bus.frame import LARGEST_OTHER, LARGEST_PLAN, Kind, WireError, unwrap, wrap
from mpc_controller.bus.messages import EStop, Message, Plan
from mpc_controller.bus.plant_inbox import FIRST_PLANS, NEWEST_PLANS, PlantInbox
from tests.bus.examples import EXAMPLES, OBSERVATION, PLAN, TRUTH, names, plan


def test_plans_and_operators_words_are_read_and_everything_that_peers_may_say_is_repeated() -> None:
    frames = [encode(message) for message in EXAMPLES.values()]
    inbox = PlantInbox()
    messages, repeated = inbox.read(frames)
    assert names(messages) == ["Plan", "Plan", "EStop", "EStop", "Arm"]
    assert repeated == [frame for frame in frames if unwrap(frame)[0] not in (Kind.OBSERVATION, Kind.TRUTH)]
    assert (inbox.counts.received, inbox.counts.dropped, inbox.counts.reasons) == (len(frames), 0, {"kind": 2})


@pytest.mark.parametrize("kind", [Kind.REFERENCE, Kind.PARAMETER_UPDATE, Kind.EVENT], ids=lambda kind: kind.name)
def test_what_others_act_on_is_repeated_unread(kind: Kind) -> None:
    inbox = PlantInbox()
    frame = wrap(kind, b"\xff not a payload")
    assert inbox.read([frame]) == ([], [frame])
    assert inbox.counts.rejected == 0


@pytest.mark.parametrize("kind", [Kind.PLAN, Kind.E_STOP, Kind.ARM], ids=lambda kind: kind.name)
def test_what_the_plant_acts_on_is_repeated_only_when_it_can_be_read(kind: Kind) -> None:
    inbox = PlantInbox()
    assert inbox.read([wrap(kind, b"\xff not a payload")]) == ([], [])
    assert inbox.counts.reasons == {"payload": 1}


def test_of_many_plans_the_first_and_the_newest_are_read_and_all_are_repeated() -> None:
    sent: list[Message] = [plan(sequence) for sequence in range(1, 21)]
    sent.insert(0, EStop(1))
    frames = [encode(message) for message in sent]
    inbox = PlantInbox()
    messages, repeated = inbox.read(frames)
    kept = [m.sequence for m in messages if isinstance(m, Plan)]
    assert kept == [*range(1, 1 + FIRST_PLANS), *range(21 - NEWEST_PLANS, 21)]
    assert EStop(1) in messages
    assert repeated == frames
    assert (inbox.counts.dropped, inbox.counts.rejected) == (20 - FIRST_PLANS - NEWEST_PLANS, 0)


def test_only_a_plan_may_be_large() -> None:
    payload = wire.Event(text="x" * LARGEST_OTHER).SerializeToString()
    with pytest.raises(WireError, match=f"EVENT frame of .* bytes; at most {LARGEST_OTHER} are allowed"):
        wrap(Kind.EVENT, payload)
    inbox = PlantInbox()
    too_large = wrap(Kind.PLAN, payload)[:3] + bytes([Kind.EVENT]) + wrap(Kind.PLAN, payload)[4:]
    assert inbox.read([too_large]) == ([], [])
    assert inbox.counts.reasons == {"size": 1}
    with pytest.raises(WireError, match=f"PLAN frame of .* at most {LARGEST_PLAN}"):
        wrap(Kind.PLAN, bytes(LARGEST_PLAN))


def test_a_bad_frame_hides_no_good_one() -> None:
    inbox = PlantInbox()
    messages, repeated = inbox.read([b"", encode(PLAN)[:-1], encode(OBSERVATION), encode(TRUTH), encode(EStop(3))])
    assert messages == [EStop(3)]
    assert repeated == [encode(EStop(3))]
    assert inbox.counts.reasons == {"magic": 1, "truncated": 1, "kind": 2}
