"""What every link does, over sockets and over the fake alike."""

import struct
import threading

import pytest

from mpc_controller.bus.codec import encode
from mpc_controller.bus.endpoints import BusError, Endpoints
from mpc_controller.bus.frame import Kind, wrap
from mpc_controller.bus.frame_link import HIGH_WATER_MARK, PLANT_BUDGET
from mpc_controller.bus.messages import EStop, Event, EventKind, Message, Observation
from mpc_controller.bus.zmq_link import PeerLink, PlantLink
from tests.bus.conftest import Bus, gather, meet, receive_all, wait_until
from tests.bus.examples import EXAMPLES, OBSERVATION, PLAN, TRUTH, assert_same, names, observation, plan

END = Event(EventKind.INFO, 1, "test", "end")


def test_what_the_plant_says_reaches_every_peer(bus: Bus) -> None:
    plant, first, second = bus.plant_link(), bus.peer_link(), bus.peer_link()
    meet(plant, first, second)
    for message in EXAMPLES.values():
        plant.send(message)
        for peer in (first, second):
            assert_same(receive_all(peer, 1)[0], message)


def test_the_plant_repeats_what_a_peer_says(bus: Bus) -> None:
    plant, sender, listener = bus.plant_link(), bus.peer_link(), bus.peer_link()
    meet(plant, sender, listener)
    sender.send(PLAN)
    assert_same(receive_all(plant, 1)[0], PLAN)
    for peer in (sender, listener):
        assert_same(receive_all(peer, 1)[0], PLAN)


def test_a_peer_gets_the_newest_and_counts_what_it_did_not_get(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    dropped = peer.counts.dropped
    for sequence in range(1, 101):
        plant.send(observation(sequence))
    plant.send(END)
    messages = gather(peer.receive, lambda so_far: any(isinstance(m, Event) for m in so_far))
    sequences = [m.sequence for m in messages if isinstance(m, Observation)]
    assert sequences[-1] == 100
    assert sequences == sorted(sequences)
    assert len(sequences) + peer.counts.dropped - dropped == 100


def test_a_peer_without_newest_only_gets_all_in_order(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link(newest_only=())
    meet(plant, peer)
    for sequence in range(1, 101):
        plant.send(observation(sequence))
    assert [getattr(m, "sequence", 0) for m in receive_all(peer, 100)] == list(range(1, 101))
    assert peer.counts.dropped == 0


def test_the_plant_gets_every_plan_that_it_is_in_time_for(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    for sequence in range(1, 21):
        peer.send(plan(sequence))
        assert_same(receive_all(plant, 1)[0], plan(sequence))
    assert plant.counts.dropped == 0


def test_what_the_plant_does_not_act_on_reaches_the_peers_through_it(bus: Bus) -> None:
    plant, sender, listener = bus.plant_link(), bus.peer_link(), bus.peer_link()
    meet(plant, sender, listener)
    spoken = [EXAMPLES[name] for name in ("reference", "parameter update", "event")]
    for message in (*spoken, EStop(7)):
        sender.send(message)
    assert receive_all(plant, 1) == [EStop(7)]
    for actual, expected in zip(receive_all(listener, 4), [*spoken, EStop(7)], strict=True):
        assert_same(actual, expected)


def test_a_payload_that_only_peers_read_is_refused_by_them(bus: Bus) -> None:
    plant, sender, listener = bus.plant_link(), bus.peer_link(), bus.peer_link()
    meet(plant, sender, listener)
    sender.put(wrap(Kind.PARAMETER_UPDATE, b"\xff"))
    sender.send(EStop(7))
    assert receive_all(plant, 1) == [EStop(7)]
    assert receive_all(listener, 1) == [EStop(7)]
    assert plant.counts.rejected == 0
    assert listener.counts.reasons == {"payload": 1}


def test_one_call_of_the_plant_takes_in_a_bounded_number_of_frames(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    sent, before = 10 * PLANT_BUDGET.frames, plant.counts.received
    for _ in range(sent):
        peer.send(END)
    taken: list[int] = []
    while sum(taken) < sent:
        plant.receive(20.0)
        taken.append(plant.counts.received - before - sum(taken))
    assert max(taken) <= PLANT_BUDGET.frames
    assert min(taken) > 0


def test_one_call_of_the_plant_takes_in_a_bounded_number_of_bytes(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    large = Event(EventKind.INFO, 0, "test", "x" * 60_000)
    sent, before = 20, plant.counts.received
    for _ in range(sent):
        peer.send(large)
    taken: list[int] = []
    while sum(taken) < sent:
        plant.receive(20.0)
        taken.append(plant.counts.received - before - sum(taken))
    assert max(taken) <= 1 + PLANT_BUDGET.bytes // 60_000


def test_a_peer_that_floods_keeps_no_other_from_being_heard(address: str) -> None:
    """ZeroMQ takes from every peer in turn, so a stop waits for one frame of the flood, not for all of it."""
    endpoints = Endpoints.of(address)
    with PlantLink(endpoints) as plant, PeerLink(endpoints, kinds=(EStop,)) as operator, PeerLink(endpoints) as flooder:
        meet(plant, operator, flooder)
        flood = encode(END)
        before = plant.counts.received
        for _ in range(HIGH_WATER_MARK):
            flooder.put(flood)
        operator.send(EStop(7))
        assert receive_all(plant, 1) == [EStop(7)]
        assert plant.counts.received - before < HIGH_WATER_MARK


def test_a_peer_hears_only_the_kinds_that_it_asked_for(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link(kinds=(Observation, EStop))
    meet(plant, peer)
    for message in (TRUTH, PLAN, OBSERVATION, END, EStop(9)):
        plant.send(message)
    assert names(receive_all(peer, 2)) == ["Observation", "EStop"]
    assert peer.counts.dropped == 0


def test_bad_frames_are_counted_by_reason_and_never_raised(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    version_9 = struct.pack("<3sBII", b"MPC", 1, 9, 0)
    for sender, receiver in ((plant, peer), (peer, plant)):
        good = EStop(5)
        for frame in (b"", b"garbage", encode(PLAN)[:-1], version_9):
            sender.put(frame)
        sender.send(good)
        assert_same(receive_all(receiver, 1)[0], good)
        assert receiver.counts.rejected == 4
        assert receiver.counts.reasons == {"magic": 2, "truncated": 1, "version": 1}
        assert receiver.counts.last_error == "peer speaks protocol version 9, this side speaks 1"


def test_a_plant_of_another_version_is_noticed_by_a_peer_that_filters(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link(kinds=(Observation, EStop))
    meet(plant, peer)
    plant.put(struct.pack("<3sBII", b"MPC", 1, 9, 0))
    wait_until(lambda: not peer.receive(0.05) and peer.counts.reasons["version"] == 1)


def test_bad_frames_are_not_repeated(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    peer.put(b"garbage")
    peer.send(EStop(7))
    assert receive_all(plant, 1) == [EStop(7)]
    assert receive_all(peer, 1) == [EStop(7)]
    assert peer.counts.rejected == 0


@pytest.mark.parametrize("message", [OBSERVATION, TRUTH], ids=["observation", "truth"])
def test_nobody_but_the_plant_says_what_was_observed(bus: Bus, message: Message) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    peer.send(message)
    peer.send(EStop(7))
    assert receive_all(plant, 1) == [EStop(7)]
    assert plant.counts.reasons == {"kind": 1}
    assert receive_all(peer, 1) == [EStop(7)]


def test_receiving_without_a_message_gives_none(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    for link in (plant, peer):
        assert list(link.receive(0.0)) == []
        assert list(link.receive(0.01)) == []


def test_waiting_ends_with_the_first_message(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    sender = threading.Timer(0.05, lambda: plant.send(END))
    sender.start()
    assert_same(peer.receive(20.0)[0], END)
    sender.join()


def test_a_peer_may_come_before_the_plant(bus: Bus) -> None:
    peer = bus.peer_link()
    peer.send(END)  # nobody hears it
    plant = bus.plant_link()
    meet(plant, peer)
    plant.send(OBSERVATION)
    assert_same(receive_all(peer, 1)[0], OBSERVATION)


def test_a_peer_hears_a_plant_that_was_started_again(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    meet(plant, peer)
    plant.close()
    again = bus.plant_link()
    meet(again, peer)
    again.send(OBSERVATION)
    assert_same(receive_all(peer, 1)[0], OBSERVATION)


def test_a_second_plant_is_refused(bus: Bus) -> None:
    bus.plant_link()
    with pytest.raises(BusError, match=r"endpoint .* is in use: is another plant running\?"):
        bus.plant_link()


def test_frames_come_as_they_were_sent(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link(newest_only=())
    meet(plant, peer)
    sent = [encode(message) for message in EXAMPLES.values()]
    plant.put(b"garbage")
    for frame in sent:
        plant.put(frame)
    assert gather(peer.receive_frames, lambda so_far: len(so_far) >= len(sent)) == sent
    assert peer.counts.rejected == 1


def test_closing_twice_is_no_error(bus: Bus) -> None:
    plant, peer = bus.plant_link(), bus.peer_link()
    for link in (plant, peer, plant, peer):
        link.close()
