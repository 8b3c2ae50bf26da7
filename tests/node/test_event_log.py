"""Whatever is told fits into a frame."""

from __future__ import annotations

import pytest

from mpc_controller.bus.codec import decode, encode
from mpc_controller.bus.messages import Event, EventKind, ParameterUpdate
from mpc_controller.node.controller import Controller
from mpc_controller.node.event_log import EventLog
from tests.control.machines import observation, sled
from tests.node.loop import job

WIDE = "\N{GRINNING FACE}"  # four bytes in UTF-8


def told(text: str, details: dict[str, str]) -> Event:
    log = EventLog("plant")
    log.tell(EventKind.REJECTED, 5, text, "", details)
    (event,) = log.drain()
    read = decode(encode(event))
    assert isinstance(read, Event)
    return read


@pytest.mark.parametrize("details", [{}, {WIDE * 70_000: WIDE * 70_000}, {f"{k}" * 400: WIDE * 70_000 for k in range(5000)}])
def test_an_event_of_any_length_can_be_sent(details: dict[str, str]):
    event = told(WIDE * 70_000, details)
    assert event.text == WIDE * 1999 + "…"
    assert all(value.endswith("…") for value in event.details.values())


def test_texts_that_utf8_does_not_have_can_be_sent():
    assert told("file \udcff", {"name\udcff": "\ud800"}).details == {"name?": "?"}


def test_what_fits_is_told_as_it_is():
    details = {"asked": "x" * 400, "sent": "y" * 400} | {f"joint {k}": "beyond its limit" for k in range(40)}
    event = told("z" * 2000, {"asked": "x" * 400, "sent": "y" * 400})
    assert (event.text, event.details) == ("z" * 2000, {"asked": "x" * 400, "sent": "y" * 400})
    assert told("", {f"joint {k}": "beyond its limit" for k in range(40)}).details.keys() == details.keys() - {"asked", "sent"}


def test_a_name_of_70000_characters_is_refused_by_a_controller_that_can_say_so():
    controller = Controller(job(), epoch=1)
    controller.accept(ParameterUpdate(1, {"x" * 70_000: 1.0}))
    controller.accept(observation(sled(), 0, [0.1]))
    (event,) = controller.events.drain()
    assert event.text.startswith("update 1 refused: ")
    encode(event)
