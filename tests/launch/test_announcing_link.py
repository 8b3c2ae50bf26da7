"""What a node tells reaches people, and never holds the node up."""

from __future__ import annotations

import threading

from launch.announcing_link import _MOST_WAITING, AnnouncingLink
from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import EStop, Event, EventKind
from tests.launch.test_live_line import OBSERVATION


def told(kind: EventKind, text: str) -> Event:
    return Event(kind, 0, "plant", text)


def test_events_are_sent_and_announced_and_all_else_is_only_sent() -> None:
    bus, lines = FakeBus(), list[str]()
    peer = bus.peer_link()
    with AnnouncingLink(bus.plant_link(), lines.append) as link:
        for message in (OBSERVATION, told(EventKind.INFO, "totals"), told(EventKind.MODE_CHANGE, "HOLD -> NOMINAL")):
            link.send(message)
        peer.send(EStop(1))
        assert list(link.receive(0.0)) == [EStop(1)]
        assert link.counts.received == 1
    assert lines == ["HOLD -> NOMINAL"]
    assert len(peer.receive(0.0)) == 4  # the plant's end repeats what it was sent
    bus.plant_link()  # the first one was closed


def test_a_terminal_that_is_stopped_costs_lines_and_no_time() -> None:
    bus, lines, goes_on = FakeBus(), list[str](), threading.Event()

    def announce(line: str) -> None:
        goes_on.wait()
        lines.append(line)

    link = AnnouncingLink(bus.plant_link(), announce)
    for k in range(10 * _MOST_WAITING):
        link.send(told(EventKind.SAFETY, str(k)))  # returns, or this test never ends
    goes_on.set()
    link.close()
    assert _MOST_WAITING <= len(lines) <= _MOST_WAITING + 1
    assert lines[:2] == ["0", "1"]
