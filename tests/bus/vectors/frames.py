"""Frames that came in one tick, and what a plant makes of them: refused, dropped, repeated, acted on."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import numpy as np

from mpc_controller.bus import wire_pb2 as wire
from mpc_controller.bus.codec import encode
from mpc_controller.bus.frame import Kind, wrap
from mpc_controller.bus.messages import Arm, EStop, Plan
from mpc_controller.bus.plant_inbox import PlantInbox
from tests.bus.examples import EXAMPLES, FAILED_PLAN, OBSERVATION, PLAN, TRUTH


def cases() -> list[dict[str, Any]]:
    frames: dict[str, list[bytes]] = {name: [encode(message)] for name, message in EXAMPLES.items()}
    stop = encode(EStop(3))
    frames |= {
        "nothing": [b""],
        "less than a header": [stop[:11]],
        "another magic": [b"MPD" + stop[3:]],
        "another version": [stop[:4] + struct.pack("<I", 2) + stop[8:]],
        "another version of an unknown kind": [b"MPC\x63" + struct.pack("<II", 2, 0)],
        "kind 0": [b"MPC\x00" + stop[4:]],
        "kind 9": [b"MPC\x09" + stop[4:]],
        "shorter than it says": [stop[:-1]],
        "longer than it says": [stop + b"\x00"],
        "what only plants say": [encode(OBSERVATION), encode(TRUTH)],
        "too large an event": [_header(Kind.EVENT, 65536) + bytes(65536)],
        "too many fields": [_header(Kind.PLAN, 65537) + bytes(65537)],
        "a payload that is none": [_header(Kind.E_STOP, 1) + b"\xff"],
        "a text that is not UTF-8": [_header(Kind.PLAN, 3) + b"\x0a\x01\xff"],
        "an event that nobody reads": [_header(Kind.EVENT, 1) + b"\xff"],
        "an unknown field": [_header(Kind.E_STOP, 5) + b"\x08\x09\x98\x06\x01"],
        "a stop without fields": [_header(Kind.E_STOP, 0)],
        "the largest numbers": [
            encode(EStop(2**64 - 1, clear=True)),
            encode(replace(PLAN, epoch=2**64 - 1, sequence=2**53 + 1)),
        ],
        "numbers that are not finite": [encode(replace(PLAN, controls=np.array([[np.nan], [-np.inf]])))],
        "ten plans and a stop": [*(encode(replace(PLAN, sequence=k)) for k in range(3)), stop]
        + [encode(replace(PLAN, sequence=k)) for k in range(3, 10)],
        "a status that nobody knows": [_plan(status=99)],
        "a claim that nobody knows": [_plan(claim=3)],
        "an operator's word for the largest number": [encode(Arm("quadrotor", 2**64 - 1, -(2**63)))],
        "an operator's word that is none": [_header(Kind.ARM, 1) + b"\xff"],
        "a bad plan among the newest four": [encode(replace(PLAN, sequence=1)), _plan(intervals=9)]
        + [encode(replace(FAILED_PLAN, sequence=k)) for k in range(2, 5)],
    }
    wrong_plans: dict[str, dict[str, Any]] = {
        "times too few": {"times_ns": [1, 2]},
        "states too few": {"states": [1.0]},
        "controls too many": {"controls": [1.0, 2.0, 3.0]},
        "gains too few": {"gains": [1.0]},
        "no controls": {"nu": 0, "controls": [], "gains": []},
        "sizes without intervals": {"intervals": 0, "times_ns": [], "states": [], "controls": [], "gains": []},
        "sizes whose product is beyond 2^64": {"nx": 2**32 - 1, "nu": 2**32 - 1, "ndx": 2**32 - 1},
        "times that fall": {"times_ns": [3, 2, 4]},
        "times that stand still": {"times_ns": [3, 4, 4]},
        "65 tracking errors": {"tracking": {f"e{k}": 0.0 for k in range(65)}},
    }
    frames |= {f"a plan with {name}": [_plan(**changes)] for name, changes in wrong_plans.items()}
    return [{"name": name, "frames": [_written(f) for f in given]} | _outcome(given) for name, given in frames.items()]


def _outcome(frames: list[bytes]) -> dict[str, Any]:
    inbox = PlantInbox()
    messages, repeated = inbox.read(frames)
    rest = list(enumerate(frames))
    indices = []
    for frame in repeated:
        index = next(i for i, other in rest if other is frame)
        rest = [(i, other) for i, other in rest if i > index]
        indices.append(index)
    counts = inbox.counts
    told = [_plan_fields(m) if isinstance(m, Plan) else vars(m) for m in messages]  # operators' words are their two fields
    return {"refused": dict(counts.reasons), "dropped": counts.dropped, "repeated": indices, "messages": told}


def _plan_fields(plan: Plan) -> dict[str, Any]:
    """What a plant uses of a plan."""
    names = ("robot", "model_hash", "epoch", "sequence", "answers_sequence", "start_ns", "valid_until_ns", "status", "claim")
    arrays = {"times_ns": plan.times, "states": plan.states, "controls": plan.controls, "gains": plan.gains}
    return {name: getattr(plan, name) for name in names} | {name: array.ravel() for name, array in arrays.items()}


def _plan(**changes: Any) -> bytes:
    """The frame of a plan that Python would not send."""
    message = wire.Plan.FromString(encode(PLAN)[12:])
    for name, value in changes.items():
        field = getattr(message, name)
        if isinstance(value, dict):
            field.update(value)
        elif isinstance(value, list):
            field[:] = value
        else:
            setattr(message, name, value)
    return wrap(Kind.PLAN, message.SerializeToString(deterministic=True))


def _header(kind: Kind, size: int) -> bytes:
    return struct.pack("<3sBII", b"MPC", kind, 1, size)


def _written(frame: bytes) -> dict[str, Any]:
    """In hexadecimal digits, without the zeros at its end if these are many: they are counted."""
    zeros = len(frame) - len(frame.rstrip(b"\x00"))
    return {"hex": frame.hex()} if zeros < 1000 else {"hex": frame[:-zeros].hex(), "zeros": zeros}
