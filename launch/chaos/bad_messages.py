"""Messages with a value that is not finite, or of a wrong size, one field at a time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.codec import STREAMS, encode
from mpc_controller.bus.frame import Kind, unwrap, wrap
from mpc_controller.bus.messages import Plan

NOT_FINITE = (math.nan, math.inf, -math.inf)
FLOWN = ("states", "controls", "gains")
# What a plan says to people: the plant makes no command of it, whatever is in it.
TOLD = ("reference", "estimate", "disturbance")
_SIZES = ("intervals", "nx", "nu", "ndx")


def not_finite_plans(plan: Plan, field: str, every: bool) -> Iterator[Plan]:
    """In the first and the last entry of an array that is flown, or in every one."""
    return (_with(plan, field, values) for values in _spoilt(getattr(plan, field), every))


def misfit_plans(plan: Plan) -> Iterator[Plan]:
    """Well-formed plans of a robot with more, or fewer, states, controls or tangent entries."""
    for change in (1, -1):
        yield dataclasses.replace(plan, states=_resized(plan.states, 1, change))
        yield dataclasses.replace(plan, gains=_resized(plan.gains, 2, change))
        controls, gains = _resized(plan.controls, 1, change), _resized(plan.gains, 1, change)
        yield dataclasses.replace(plan, controls=controls, gains=gains)


def told_plans(plan: Plan) -> Iterator[Plan]:
    """Plans that are sound to fly, with nonsense in what they tell."""
    for field in TOLD:
        values = getattr(plan, field)
        yield from (_with(plan, field, spoilt) for spoilt in _spoilt(values, every=False))
        yield from (_with(plan, field, _resized(values, 0, change)) for change in (1, -values.size))
    for bad in NOT_FINITE:
        yield dataclasses.replace(plan, cost=bad)
        yield dataclasses.replace(plan, tracking=dict.fromkeys(plan.tracking, bad))


def broken_frames(plan: Plan) -> Iterator[tuple[str, bytes]]:
    """Frames of plans whose arrays do not fit the sizes that they state, each with the field that is wrong."""
    sound = STREAMS[Kind.PLAN].wire.FromString(unwrap(encode(plan))[1])
    for field in ("times_ns", *FLOWN):
        word, values = field.removesuffix("_ns"), list(getattr(sound, field))
        for others in (values[:-1], [*values, values[-1]], []):
            yield word, _frame(sound, field, others)
    for size in _SIZES:
        for value in (0, getattr(sound, size) + 1, 2**32 - 1):
            yield "", _frame(sound, size, value)
    times = list(sound.times_ns)
    yield "times", _frame(sound, "times_ns", [times[0], times[0], *times[2:]])


def _frame(sound: Any, field: str, value: Any) -> bytes:
    """Of a Protobuf plan with another value, or other values, of a field."""
    wire = type(sound)()
    wire.CopyFrom(sound)
    if isinstance(value, list):
        wire.ClearField(field)
        getattr(wire, field).extend(value)
    else:
        setattr(wire, field, value)
    return wrap(Kind.PLAN, wire.SerializeToString())


def _with(plan: Plan, field: str, values: Array) -> Plan:
    changes: dict[str, Any] = {field: values}
    return dataclasses.replace(plan, **changes)


def bad_rows(row: Array, every: bool) -> list[Array]:
    """A row with an entry that is not finite, and rows of wrong sizes."""
    return [*_spoilt(row, every), *(_resized(row, 0, change) for change in (1, -1, -len(row)))]


def _spoilt(values: Array, every: bool) -> Iterator[Array]:
    places: Sequence[int] = range(values.size) if every else (0, values.size - 1)
    for place in places if values.size else ():
        for bad in NOT_FINITE:
            spoilt = values.copy()
            spoilt.flat[place] = bad
            yield spoilt


def _resized(values: Array, axis: int, change: int) -> Array:
    """Entries more, or fewer, along an axis."""
    if change < 0:
        return np.delete(values, range(values.shape[axis] + change, values.shape[axis]), axis)
    last = np.take(values, range(min(change, values.shape[axis])), axis)
    return np.concatenate([values, last if last.size else np.ones(change)], axis)
