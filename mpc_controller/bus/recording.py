"""Recordings: every message of a run in one MCAP file, with the payloads of the wire, so that Foxglove opens it."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, final

from mcap.exceptions import McapError
from mcap.records import Channel, Schema
from mcap.records import Message as McapMessage
from mcap.records import Metadata as McapMetadata
from mcap_protobuf.schema import build_file_descriptor_set

from mpc_controller.bus.codec import STREAMS, Stream, encode, interpret, parse
from mpc_controller.bus.frame import PROTOCOL_VERSION, unwrap
from mpc_controller.bus.mcap_file import MCAP_MAGIC, METADATA_NAME, McapWriter, last_metadata, read_records, whole_length
from mpc_controller.bus.messages import Message

# What a killed recorder may lose; MCAP's chunks are closed by then.
FLUSH_S: Final = 0.5
_CHUNK_BYTES: Final = 2**20


class RecordingError(RuntimeError):
    """A recording that can't be written or read."""


@final
class RecordingWriter:
    """Writes one recording. A file that is there already is never overwritten.

    Log times are when a message was received, on the recorder's clock [ns since 1970]; publish times are the plant's clock
    where a message carries it, else the log time. Raises RecordingError when the file can't be written; what was written
    before stays readable.
    """

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        self.path = path
        self.messages = dict.fromkeys((stream.topic for stream in STREAMS.values()), 0)
        schemas = {
            s.topic: (s.wire.DESCRIPTOR.full_name, build_file_descriptor_set(s.wire).SerializeToString())
            for s in STREAMS.values()
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = McapWriter(path, {**metadata, "protocol_version": str(PROTOCOL_VERSION)}, schemas)
        except OSError as error:
            raise self._error(error) from None
        self._flushed_s = time.monotonic()

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._file.size

    def write(self, message: Message, log_time_ns: int) -> None:
        """Write a message."""
        self.write_frame(encode(message), log_time_ns)

    def write_frame(self, frame: bytes, log_time_ns: int) -> Message:
        """Write a frame's payload as it came, and give its message. Raises WireError for one that no reader could read; it is
        left out."""
        kind, payload = unwrap(frame)
        stream = STREAMS[kind]
        parsed = parse(stream, payload)
        message = interpret(stream, parsed)
        plant_time_ns = stream.plant_time_ns(parsed)
        publish_time_ns = log_time_ns if plant_time_ns is None else max(plant_time_ns, 0)
        self.messages[stream.topic] += 1
        count = self.messages[stream.topic] & 0xFFFFFFFF
        self._file.add(self._file.channel_ids[stream.topic], log_time_ns, publish_time_ns, count, payload)
        self.flush_if_due()
        return message

    def flush_if_due(self) -> None:
        """Put messages on the disk that have waited for FLUSH_S. Call it also when nothing comes."""
        now_s = time.monotonic()
        if now_s - self._flushed_s < FLUSH_S and self._file.pending < _CHUNK_BYTES:
            return
        self._flushed_s = now_s
        try:
            self._file.flush()
        except OSError as error:
            raise self._error(error) from None

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Add metadata of this name, which `Recording.note` gives back."""
        try:
            self._file.note(name, values)
        except OSError as error:
            raise self._error(error) from None

    def close(self) -> None:
        """Finish the file."""
        try:
            self._file.close()
        except OSError as error:
            raise self._error(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, RecordingError):
            self._file.abandon()
        else:
            self.close()

    def _error(self, error: OSError) -> RecordingError:
        return RecordingError(f"recording {self.path} can't be written: {error.strerror}")


@final
@dataclass(frozen=True)
class Recording:
    """A recording on disk. truncated: its writer was cut short; what is before the cut is here."""

    path: Path
    metadata: dict[str, str]
    truncated: bool
    end: int

    def messages(self, *kinds: type[Message]) -> Iterator[tuple[int, Message]]:
        """(log time [ns since 1970], message) in the order of recording, of the given kinds, or all without any.

        Raises RecordingError at a damaged chunk or message.
        """
        wanted = {s.wire.DESCRIPTOR.full_name: s for s in STREAMS.values() if not kinds or s.message in kinds}
        schemas: dict[int, str] = {}
        streams: dict[int, Stream | None] = {}
        try:
            with self.path.open("rb") as file:
                for record in read_records(file, self.end):
                    if isinstance(record, Schema):
                        schemas[record.id] = record.name
                    elif isinstance(record, Channel):
                        streams[record.id] = wanted.get(schemas.get(record.schema_id, ""))
                    elif isinstance(record, McapMessage) and (stream := streams.get(record.channel_id)):
                        yield record.log_time, interpret(stream, parse(stream, record.data))
        except (ValueError, OSError, McapError, struct.error) as error:
            raise RecordingError(f"recording {self.path} is damaged: {error}") from error

    def note(self, name: str) -> dict[str, str]:
        """The last metadata of this name that were added while it was recorded; {} when there are none."""
        try:
            with self.path.open("rb") as file:
                return last_metadata(file, self.end, name)
        except (ValueError, OSError, McapError, struct.error) as error:
            raise RecordingError(f"recording {self.path} is damaged: {error}") from error


def read_recording(path: Path) -> Recording:
    """Open a recording, whole or cut short. Raises RecordingError when there is none, or it is not one of ours."""
    try:
        with path.open("rb") as file:
            if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
                raise RecordingError(f"{path} is not an MCAP file")
            end, is_whole = whole_length(file)
            metadata, is_ours = _head(file, end)
    except OSError as error:
        raise RecordingError(f"recording {path} can't be read: {error.strerror}") from None
    except (ValueError, McapError, struct.error) as error:
        raise RecordingError(f"recording {path} is damaged: {error}") from error
    if not is_ours:
        names = ", ".join(s.wire.DESCRIPTOR.full_name for s in STREAMS.values())
        raise RecordingError(f"{path} is an MCAP file without messages of this bus; they would be {names}")
    version = metadata.get("protocol_version", str(PROTOCOL_VERSION))
    if version != str(PROTOCOL_VERSION):
        raise RecordingError(f"{path} was recorded with protocol version {version}; this side reads {PROTOCOL_VERSION}")
    return Recording(path, metadata, not is_whole, end)


def _head(file: BinaryIO, end: int) -> tuple[dict[str, str], bool]:
    """The metadata of the recording ({} when there are none), and whether any of our messages is declared."""
    names = {stream.wire.DESCRIPTOR.full_name for stream in STREAMS.values()}
    is_ours = False
    for record in read_records(file, end):
        is_ours = is_ours or (isinstance(record, Schema) and record.name in names)
        if isinstance(record, McapMetadata) and record.name == METADATA_NAME:
            return record.metadata, is_ours
    return {}, is_ours
