"""MCAP files that survive their writer: chunks by time, and readers that stop at the cut.

The `mcap` package closes a chunk by size only, so that a slow stream would lose minutes when its recorder is killed. The
records are its own; what is here is when they go to the disk. Format: https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, final

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    Message,
    MessageIndex,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
)
from mcap.stream_reader import breakup_chunk

MCAP_MAGIC: Final = b"\x89MCAP0\r\n"
METADATA_NAME: Final = "recording"
_RECORD_HEAD: Final = struct.Struct("<BQ")  # opcode, length of what follows


@final
class McapWriter:
    """Writes one file: schemas, channels and metadata first, then messages in chunks that `flush` closes.

    After a `flush` all that was added can be read, whatever happens to this process. When the disk is full or fails,
    OSError is raised and the file is cut back to the last whole chunk.
    """

    def __init__(self, path: Path, metadata: Mapping[str, str], schemas: Mapping[str, tuple[str, bytes]]) -> None:
        """schemas: by topic, the Protobuf message's name and its FileDescriptorSet. Raises OSError."""
        self._schemas = [Schema(i, data, "protobuf", name) for i, (name, data) in enumerate(schemas.values(), start=1)]
        self._channels = [Channel(i, topic, "protobuf", {}, i) for i, topic in enumerate(schemas, start=1)]
        self.channel_ids = {channel.topic: channel.id for channel in self._channels}
        self._counts = dict.fromkeys(self.channel_ids.values(), 0)
        self._chunks = _ChunkIndices()
        self._open = _OpenChunk()
        self._file = path.open("xb", buffering=0)
        self.size = 0
        try:
            head = _records(Header("mpc_controller", "mpc_controller"), *self._schemas, *self._channels)
            record = _records(Metadata(METADATA_NAME, dict(metadata)))
            self._metadata_indices = [MetadataIndex(len(MCAP_MAGIC) + len(head), len(record), METADATA_NAME)]
            self._write(MCAP_MAGIC + head + record)
        except BaseException:
            self._file.close()
            raise

    def add(self, channel_id: int, log_time_ns: int, publish_time_ns: int, sequence: int, payload: bytes) -> None:
        """Add a message to the open chunk."""
        self._open.add(Message(channel_id, log_time_ns, payload, publish_time_ns, sequence))
        self._counts[channel_id] += 1

    @property
    def pending(self) -> int:
        """Bytes in the open chunk."""
        return int(self._open.builder.count)

    def flush(self) -> None:
        """Close the chunk and write it."""
        opened = self._open
        if not opened.index:
            return
        self._open = _OpenChunk()
        times, data = (opened.end_ns, opened.start_ns), opened.builder.end()
        chunk = _records(Chunk("", data, *times, zlib.crc32(data), len(data)))
        indices, offsets = b"", {}
        for channel_id, entries in opened.index.items():
            offsets[channel_id] = self.size + len(chunk) + len(indices)
            indices += _records(MessageIndex(channel_id, entries))
        index = ChunkIndex(
            chunk_length=len(chunk),
            chunk_start_offset=self.size,
            compression="",
            compressed_size=len(data),
            message_end_time=opened.end_ns,
            message_index_length=len(indices),
            message_index_offsets=offsets,
            message_start_time=opened.start_ns,
            uncompressed_size=len(data),
        )
        self._write(chunk + indices)
        self._chunks.add(index)

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Write further metadata, after all that was added."""
        self.flush()
        record = _records(Metadata(name, dict(values)))
        index = MetadataIndex(self.size, len(record), name)
        self._write(record)
        self._metadata_indices.append(index)

    def close(self) -> None:
        """Write what is pending and the summary, by which viewers find their way."""
        try:
            self.flush()
            end = _records(DataEnd(0))
            statistics = Statistics(
                attachment_count=0,
                channel_count=len(self._channels),
                channel_message_counts={i: n for i, n in self._counts.items() if n},
                chunk_count=self._chunks.count,
                message_count=sum(self._counts.values()),
                message_start_time=self._chunks.start_ns,
                message_end_time=self._chunks.end_ns,
                metadata_count=len(self._metadata_indices),
                schema_count=len(self._schemas),
            )
            summary = _records(*self._schemas, *self._channels, statistics)
            summary += self._chunks.records() + _records(*self._metadata_indices)
            self._write(end + summary + _records(Footer(self.size + len(end), 0, 0)) + MCAP_MAGIC)
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Close the file as it is, without a summary."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        """All of it, or the file stays as it was."""
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        except BaseException:
            self._file.truncate(self.size)
            raise
        self.size += len(data)


@final
class _ChunkIndices:
    """Where the chunks are, for the summary at the end; compressed until then, as an hour has thousands."""

    def __init__(self) -> None:
        self.count = self.start_ns = self.end_ns = 0
        self._compress = zlib.compressobj()
        self._data = bytearray()

    def add(self, index: ChunkIndex) -> None:
        self.start_ns = min(self.start_ns, index.message_start_time) if self.count else index.message_start_time
        self.end_ns = max(self.end_ns, index.message_end_time)
        self.count += 1
        self._data += self._compress.compress(_records(index))

    def records(self) -> bytes:
        """All of them, as the file has them; nothing can be added any more."""
        return zlib.decompress(self._data + self._compress.flush())


@final
class _OpenChunk:
    """Messages that are not on the disk yet, where each of them is, and the span of their log times."""

    def __init__(self) -> None:
        self.builder = RecordBuilder()
        self.index: dict[int, list[tuple[int, int]]] = {}
        self.start_ns, self.end_ns = 2**64 - 1, 0

    def add(self, message: Message) -> None:
        self.index.setdefault(message.channel_id, []).append((message.log_time, self.builder.count))
        message.write(self.builder)
        self.start_ns = min(self.start_ns, message.log_time)
        self.end_ns = max(self.end_ns, message.log_time)


def _records(*records: Any) -> bytes:
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return bytes(builder.end())


def whole_length(file: BinaryIO) -> tuple[int, bool]:
    """How many bytes from the start hold whole records, and whether the file ends as it should (footer and magic)."""
    size = file.seek(0, 2)
    position, opcode = len(MCAP_MAGIC), 0
    while position + _RECORD_HEAD.size <= size and opcode != Opcode.FOOTER:
        file.seek(position)
        opcode, length = _RECORD_HEAD.unpack(file.read(_RECORD_HEAD.size))
        if opcode == 0 or position + _RECORD_HEAD.size + length > size:
            return position, False
        position += _RECORD_HEAD.size + length
    file.seek(position)
    return position, opcode == Opcode.FOOTER and file.read(len(MCAP_MAGIC)) == MCAP_MAGIC


def last_metadata(file: BinaryIO, end: int, name: str) -> dict[str, str]:
    """The last metadata of this name up to byte `end`; {} when there are none. Chunks are passed over."""
    position, found = len(MCAP_MAGIC), dict[str, str]()
    while position < end:
        file.seek(position)
        opcode, length = _RECORD_HEAD.unpack(file.read(_RECORD_HEAD.size))
        if opcode == Opcode.DATA_END:
            break
        if opcode == Opcode.METADATA:
            record = Metadata.read(ReadDataStream(BytesIO(file.read(length))))
            found = record.metadata if record.name == name else found
        position += _RECORD_HEAD.size + length
    return found


def read_records(file: BinaryIO, end: int) -> Iterator[Any]:
    """Schemas, channels, messages and metadata up to byte `end`, in the order of the file; chunks are opened.

    Raises ValueError for a record that cannot be read, and for a chunk whose check sum is wrong.
    """
    file.seek(len(MCAP_MAGIC))
    while file.tell() < end:
        opcode, length = _RECORD_HEAD.unpack(file.read(_RECORD_HEAD.size))
        if opcode == Opcode.DATA_END:
            return
        try:
            records = _records_in(opcode, file.read(length))
        except (OSError, ValueError):
            raise
        except Exception as error:  # the package's own, of its decompressors, and of lengths that Python cannot index
            raise ValueError(f"a record cannot be read: {str(error) or type(error).__name__}") from error
        yield from records


def _records_in(opcode: int, content: bytes) -> list[Any]:
    """The record, those of a chunk, or none of another kind."""
    readers = {Opcode.SCHEMA: Schema, Opcode.CHANNEL: Channel, Opcode.METADATA: Metadata, Opcode.CHUNK: Chunk}
    stream = ReadDataStream(BytesIO(content))
    if opcode == Opcode.MESSAGE:
        return [Message.read(stream, len(content))]
    if opcode not in readers:
        return []
    record = readers[opcode].read(stream)
    return breakup_chunk(record, validate_crc=True) if opcode == Opcode.CHUNK else [record]
