"""Messages to frames and back, and every way in which a frame can be wrong."""

import contextlib
import dataclasses
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc_controller.bus import wire_pb2 as wire
from mpc_controller.bus.codec import STREAMS, decode, encode, kind_of
from mpc_controller.bus.frame import Kind, WireError, prefix, unwrap, wrap
from mpc_controller.bus.messages import Message, Observation, Plan
from tests.bus.absurd import payloads
from tests.bus.examples import EXAMPLES, FAILED_PLAN, OBSERVATION, PLAN, assert_same, messages, plan_of


@given(messages)
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    assert_same(decode(encode(message)), message)


@given(messages)
def test_equal_messages_have_equal_frames(message: Message) -> None:
    assert encode(decode(encode(message))) == encode(message)


@given(st.sampled_from(Kind), st.binary(max_size=200))
def test_any_bytes_after_a_good_header_give_a_message_or_a_wire_error(kind: Kind, payload: bytes) -> None:
    with contextlib.suppress(WireError):
        assert kind_of(type(decode(wrap(kind, payload)))) is kind


@given(st.sampled_from(Kind).flatmap(lambda kind: st.tuples(st.just(kind), payloads(kind))))
def test_any_fields_after_a_good_header_give_a_message_or_a_wire_error(case: tuple[Kind, bytes]) -> None:
    kind, payload = case
    with contextlib.suppress(WireError):
        assert kind_of(type(decode(wrap(kind, payload)))) is kind


@given(*[st.sampled_from([0, 1, 2, 2**31, 2**32 - 1])] * 4, st.integers(0, 3))
def test_no_sizes_make_a_trajectory_of_arrays_that_are_not_there(n: int, nx: int, nu: int, ndx: int, times: int) -> None:
    payload = wire.Plan(intervals=n, nx=nx, nu=nu, ndx=ndx, times_ns=range(times)).SerializeToString()
    with contextlib.suppress(WireError):
        decoded = decode(wrap(Kind.PLAN, payload))
        assert isinstance(decoded, Plan)
        assert (n, nx, nu, ndx, times) == (0, 0, 0, 0, 0)


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_a_frame_cut_anywhere_is_rejected(name: str, data: st.DataObject) -> None:
    frame = encode(EXAMPLES[name])
    with pytest.raises(WireError):
        decode(frame[: data.draw(st.integers(0, len(frame) - 1))])


def test_a_frame_starts_with_the_prefix_of_its_kind_in_any_version() -> None:
    frame = encode(OBSERVATION)
    assert frame.startswith(prefix(Kind.OBSERVATION))
    assert not any(frame.startswith(prefix(kind)) for kind in Kind if kind is not Kind.OBSERVATION)
    assert len(prefix(Kind.OBSERVATION)) == 4  # the version comes after it


def test_a_frame_of_another_bus_is_named_by_its_magic() -> None:
    with pytest.raises(WireError, match=r"b'GET'.*b'MPC'") as caught:
        decode(b"GET / HTTP/1.1\r\n")
    assert caught.value.reason == "magic"


def test_another_protocol_version_is_named_before_the_payload_is_read() -> None:
    frame = struct.pack("<3sBII", b"MPC", 1, 9, 4) + b"\xff\xff\xff\xff"
    with pytest.raises(WireError, match=r"peer speaks protocol version 9, this side speaks 1") as caught:
        decode(frame)
    assert caught.value.reason == "version"


def test_an_unknown_kind_is_named_with_those_that_are_known() -> None:
    with pytest.raises(WireError, match=r"kind 99; known are 1 \(OBSERVATION\), .*7 \(EVENT\)") as caught:
        decode(struct.pack("<3sBII", b"MPC", 99, 1, 0))
    assert caught.value.reason == "kind"


def test_bytes_behind_the_payload_are_rejected() -> None:
    with pytest.raises(WireError, match="its header says") as caught:
        decode(encode(OBSERVATION) + b"\x00")
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("intervals", 3, r"3 intervals has 3 times; expected 4"),
        ("intervals", 0, r"0 intervals has 3 times; expected 0"),
        ("nx", 0, r"2 intervals has nx, nu, ndx = 0, 1, 2; expected at least 1 each"),
        ("nx", 3, r"states \(N\+1, nx\) has 6 entries; its sizes \(3, 3\) ask for 9"),
        ("nu", 2, r"controls \(N, nu\) has 2 entries"),
        ("ndx", 2**32 - 1, r"gains \(N, nu, ndx\) has 4 entries"),
    ],
)
def test_sizes_that_do_not_fit_the_arrays_are_rejected(field: str, value: int, text: str) -> None:
    payload = wire.Plan.FromString(unwrap(encode(PLAN))[1])
    setattr(payload, field, value)
    with pytest.raises(WireError, match=text) as caught:
        decode(wrap(Kind.PLAN, payload.SerializeToString()))
    assert caught.value.reason == "shape"


def test_a_plan_without_a_trajectory_has_no_sizes() -> None:
    largest = 2**32 - 1
    with pytest.raises(WireError, match=r"0 intervals has nx, nu, ndx = 0, 4294967295, 4294967295; expected zeros") as caught:
        decode(wrap(Kind.PLAN, wire.Plan(nu=largest, ndx=largest).SerializeToString()))
    assert caught.value.reason == "shape"
    failed = decode(encode(FAILED_PLAN))
    assert isinstance(failed, Plan)
    assert [a.shape for a in (failed.times, failed.states, failed.controls, failed.gains)] == [(0,), (0, 0), (0, 0), (0, 0, 0)]


def test_a_plan_of_many_small_fields_is_refused_before_it_is_parsed() -> None:
    entries = wire.Plan(tracking={f"error {i}": 1.0 for i in range(10_000)}).SerializeToString()
    for payload in (entries, b"\x72\x00" * 40_000, b"\x71" + bytes(8) + entries, b"\x08\x01\x75" + bytes(4) + entries):
        with pytest.raises(WireError, match=r"payload of \d+ bytes has more than 256 fields; arrays must be packed") as caught:
            decode(wrap(Kind.PLAN, payload))
        assert caught.value.reason == "shape"


@pytest.mark.parametrize("broken", [b"\x0b", b"\xff" * 20, b"\x08"], ids=["group", "number without end", "cut"])
def test_a_large_payload_that_is_no_protobuf_message_is_refused(broken: bytes) -> None:
    large = wire.Plan(disturbance=[0.0] * 10_000).SerializeToString()
    with pytest.raises(WireError) as caught:
        decode(wrap(Kind.PLAN, large + broken))
    assert caught.value.reason == "payload"


def test_a_plan_of_the_largest_robot_comes_back() -> None:
    large = plan_of(50, 60, 30, 60)
    assert_same(decode(encode(large)), large)


def test_a_plan_with_too_many_tracking_errors_is_neither_sent_nor_read() -> None:
    tracking = {f"error {i}": 1.0 for i in range(65)}
    with pytest.raises(WireError, match="65 tracking errors; at most 64 are allowed"):
        encode(dataclasses.replace(PLAN, tracking=tracking))
    with pytest.raises(WireError, match="65 tracking errors; at most 64 are allowed"):
        decode(wrap(Kind.PLAN, wire.Plan(tracking=tracking).SerializeToString()))


def test_times_that_do_not_ascend_are_rejected() -> None:
    frame = encode(dataclasses.replace(PLAN, times=PLAN.times[::-1]))
    with pytest.raises(WireError, match="times do not ascend"):
        decode(frame)


def test_an_unknown_mode_is_rejected() -> None:
    with pytest.raises(WireError, match=r"mode is 9; known are 0 \(NOMINAL\)"):
        decode(wrap(Kind.OBSERVATION, wire.Observation.FromString(b"\x38\x09").SerializeToString()))


def test_numbers_that_are_not_finite_are_left_to_the_nodes() -> None:
    bad = dataclasses.replace(OBSERVATION, measured=np.array([np.nan, np.inf]))
    assert_same(decode(encode(bad)), bad)


def test_a_plan_without_a_trajectory_may_have_empty_arrays_of_any_shape() -> None:
    empty = dataclasses.replace(FAILED_PLAN, states=np.zeros((0, 2)), controls=np.zeros(0), gains=np.zeros((0, 1, 2)))
    assert encode(empty) == encode(FAILED_PLAN)


@pytest.mark.parametrize("field", ["times", "states", "controls", "gains"])
def test_a_plan_whose_arrays_do_not_fit_is_not_sent(field: str) -> None:
    with pytest.raises(WireError, match=r"shapes .*expected \(N\+1,\)") as caught:
        encode(dataclasses.replace(PLAN, **{field: getattr(PLAN, field)[:-1]}))
    assert caught.value.reason == "shape"


@pytest.mark.parametrize(
    "bad", [{"sequence": -1}, {"time_ns": 2**63}, {"robot": "\ud800"}, {"mode": 9}, {"sequence": 1.5}], ids=str
)
def test_what_protobuf_cannot_hold_is_not_sent(bad: dict[str, object]) -> None:
    with pytest.raises(WireError, match="OBSERVATION can't be sent"):
        encode(dataclasses.replace(OBSERVATION, **bad))  # type: ignore[arg-type]


def test_every_kind_has_one_stream() -> None:
    assert list(STREAMS) == list(Kind)
    assert kind_of(Observation) is Kind.OBSERVATION
    assert len({stream.topic for stream in STREAMS.values()}) == len(Kind)
