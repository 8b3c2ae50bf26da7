"""The header of a frame: what it is, who may read it, how long it is."""

from __future__ import annotations

import enum
import struct
from typing import final

PROTOCOL_VERSION = 1
MAGIC = b"MPC"
_HEADER = struct.Struct("<3sBII")  # magic, kind, protocol version, size of the payload


class WireError(ValueError):
    """A frame or message that is not as docs/wire.md says.

    `reason` is one of: magic, version, kind, truncated, payload, shape, value.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@final
class Kind(enum.IntEnum):
    """Byte 3 of a frame. Numbers stay the same in all protocol versions."""

    OBSERVATION = 1
    PLAN = 2
    TRUTH = 3
    REFERENCE = 4
    PARAMETER_UPDATE = 5
    E_STOP = 6
    EVENT = 7


_KINDS = {int(kind): kind for kind in Kind}


def prefix(kind: Kind) -> bytes:
    """The first four bytes of every frame of a kind, in any protocol version: what a SUB socket subscribes to."""
    return MAGIC + bytes([kind])


def wrap(kind: Kind, payload: bytes) -> bytes:
    """Header and payload in one piece."""
    return _HEADER.pack(MAGIC, kind, PROTOCOL_VERSION, len(payload)) + payload


def unwrap(frame: bytes) -> tuple[Kind, bytes]:
    """Kind and payload. Raises WireError (magic, version, kind, truncated)."""
    if frame[:3] != MAGIC:
        raise WireError("magic", f"frame starts with {frame[:3]!r}; this bus speaks {MAGIC!r}")
    if len(frame) < _HEADER.size:
        raise WireError("truncated", f"frame of {len(frame)} bytes; a header alone has {_HEADER.size}")
    _, number, version, size = _HEADER.unpack_from(frame)
    if version != PROTOCOL_VERSION:
        raise WireError("version", f"peer speaks protocol version {version}, this side speaks {PROTOCOL_VERSION}")
    kind = _KINDS.get(number)
    if kind is None:
        raise WireError("kind", f"frame of kind {number}; known are {', '.join(f'{k} ({k.name})' for k in Kind)}")
    if len(frame) - _HEADER.size != size:
        raise WireError("truncated", f"{kind.name} payload of {len(frame) - _HEADER.size} bytes; its header says {size}")
    return kind, frame[_HEADER.size :]
