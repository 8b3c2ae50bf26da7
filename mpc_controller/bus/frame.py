"""The header of a frame: what it is, who may read it, how long it is."""

from __future__ import annotations

import enum
import struct
from typing import Final, final

PROTOCOL_VERSION = 1
MAGIC = b"MPC"
_HEADER = struct.Struct("<3sBII")  # magic, kind, protocol version, size of the payload

# Bytes with the header. A plan of 50 intervals for a robot of 60 states and 30 controls has 0.76 MB.
LARGEST_PLAN: Final = 2**20
# A residual of 3 layers of 512 has 2.1 MB.
LARGEST_UPDATE: Final = 4 * 2**20
LARGEST_OTHER: Final = 64 * 2**10


class WireError(ValueError):
    """A frame or message that is not as docs/wire.md says.

    `reason` is one of: magic, version, kind, size, truncated, payload, shape, value, role.
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
    ARM = 8


_KINDS = {int(kind): kind for kind in Kind}
_LARGEST = {Kind.PLAN: LARGEST_PLAN, Kind.PARAMETER_UPDATE: LARGEST_UPDATE}


def prefix(kind: Kind) -> bytes:
    """The first four bytes of every frame of a kind, in any protocol version: what a SUB socket subscribes to."""
    return MAGIC + bytes([kind])


def wrap(kind: Kind, payload: bytes) -> bytes:
    """Header and payload in one piece. Raises WireError (size)."""
    _check_size(kind, _HEADER.size + len(payload))
    return _HEADER.pack(MAGIC, kind, PROTOCOL_VERSION, len(payload)) + payload


def unwrap(frame: bytes) -> tuple[Kind, bytes]:
    """Kind and payload. Raises WireError (magic, version, kind, size, truncated)."""
    return read_header(frame), frame[_HEADER.size :]


def read_header(frame: bytes) -> Kind:
    """The kind of a frame whose header is good; the payload is not looked at. Raises WireError as `unwrap`."""
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
    _check_size(kind, len(frame))
    return kind


def _check_size(kind: Kind, size: int) -> None:
    largest = _LARGEST.get(kind, LARGEST_OTHER)
    if size > largest:
        raise WireError("size", f"{kind.name} frame of {size} bytes; at most {largest} are allowed")
