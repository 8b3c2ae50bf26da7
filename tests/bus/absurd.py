"""Protobuf messages that are well formed and make no sense."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from google.protobuf.descriptor import FieldDescriptor

from mpc_controller.bus.codec import STREAMS
from mpc_controller.bus.frame import Kind
from tests.bus.examples import floats, int64, text, uint32, uint64

_EXTREMES = st.sampled_from([0, 1, 2, 2**31 - 1, 2**32 - 1])
_OF_TYPE: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: text,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=64),
    FieldDescriptor.TYPE_UINT64: uint64,
    FieldDescriptor.TYPE_INT64: int64,
    FieldDescriptor.TYPE_SFIXED64: int64,
    FieldDescriptor.TYPE_UINT32: _EXTREMES | uint32,
    FieldDescriptor.TYPE_DOUBLE: floats,
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_ENUM: st.integers(-(2**31), 2**31 - 1),
}


@st.composite
def payloads(draw: st.DrawFn, kind: Kind) -> bytes:
    """A message of the kind: any of its fields, each with any values of its type."""
    message = STREAMS[kind].wire()
    for field in draw(st.lists(st.sampled_from(list(message.DESCRIPTOR.fields)), unique_by=lambda field: field.name)):
        if field.type == FieldDescriptor.TYPE_MESSAGE:  # of maps
            key, value = (_OF_TYPE[part.type] for part in field.message_type.fields)
            getattr(message, field.name).update(draw(st.dictionaries(key, value, max_size=3)))
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(_OF_TYPE[field.type], max_size=5)))
        else:
            setattr(message, field.name, draw(_OF_TYPE[field.type]))
    return bytes(message.SerializeToString())
