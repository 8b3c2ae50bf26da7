"""Recordings come back whole, cut, or with one clear error."""

import io
import time
import tracemalloc
from pathlib import Path

import pytest
from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_protobuf.decoder import DecoderFactory

from mpc_controller.bus import wire_pb2 as wire
from mpc_controller.bus.codec import encode
from mpc_controller.bus.frame import Kind, WireError, wrap
from mpc_controller.bus.mcap_file import McapWriter
from mpc_controller.bus.messages import Observation, Plan
from mpc_controller.bus.recording import Recording, RecordingError, RecordingWriter, read_recording
from tests.bus.conftest import wait_until
from tests.bus.examples import EXAMPLES, OBSERVATION, PLAN, assert_same, observation
from tests.bus.processes import running


def write(path: Path, count: int = 300) -> None:
    """`count` observations in three chunks, one per nanosecond."""
    with RecordingWriter(path, {"robot": "cartpole"}) as writer:
        for i in range(count):
            writer.write(observation(i), log_time_ns=i)
            if i % 100 == 99:
                writer._flushed_s = 0.0
                writer.flush_if_due()


def sequences(recording: Recording) -> list[int]:
    return [m.sequence for _, m in recording.messages(Observation) if isinstance(m, Observation)]


def test_every_message_comes_back_in_order_with_its_log_time(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "run.mcap"
    with RecordingWriter(path, {"robot": "cartpole", "task": "balance"}) as writer:
        for i, message in enumerate(EXAMPLES.values()):
            writer.write(message, log_time_ns=1000 + i)
    recording = read_recording(path)
    assert not recording.truncated
    assert recording.metadata == {"robot": "cartpole", "task": "balance", "protocol_version": "1"}
    read = list(recording.messages())
    assert [log_time for log_time, _ in read] == [1000 + i for i in range(len(EXAMPLES))]
    for (_, actual), expected in zip(read, EXAMPLES.values(), strict=True):
        assert_same(actual, expected)


def test_some_kinds_can_be_read_alone(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "run.mcap", {}) as writer:
        for message in EXAMPLES.values():
            writer.write(message, 1)
    read = list(read_recording(tmp_path / "run.mcap").messages(Plan))
    assert [type(message) for _, message in read] == [Plan, Plan]


def test_any_mcap_reader_opens_it(tmp_path: Path) -> None:
    """The reference reader with checks of all sums, by index, and with the schemas in the file only."""
    path = tmp_path / "run.mcap"
    with RecordingWriter(path, {"robot": "cartpole"}) as writer:
        for i in range(3):
            writer.write(OBSERVATION, log_time_ns=10 + i)
            writer.write(PLAN, log_time_ns=10 + i)
            writer._flushed_s = 0.0
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == 6
        assert (summary.statistics.message_start_time, summary.statistics.message_end_time) == (10, 12)
        assert len(summary.chunk_indexes) == summary.statistics.chunk_count > 1
        assert [m.metadata["robot"] for m in reader.iter_metadata()] == ["cartpole"]
        decoded = list(reader.iter_decoded_messages(topics=["/plan"]))
        assert len(decoded) == 3
        schema, channel, message, plan = decoded[0]
        assert schema is not None
        assert (schema.name, channel.topic) == ("mpc_controller.wire.Plan", "/plan")
        assert (message.log_time, message.publish_time) == (10, PLAN.start_ns)
        assert list(plan.states) == PLAN.states.ravel().tolist()
        assert [m.log_time for _, _, m in reader.iter_messages(starting_at=11, ending_before=12)] == [11, 11]


def test_a_recording_without_messages_is_one(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "run.mcap", {}):
        pass
    recording = read_recording(tmp_path / "run.mcap")
    assert (list(recording.messages()), recording.truncated) == ([], False)


def test_a_file_cut_anywhere_opens_up_to_the_cut(tmp_path: Path) -> None:
    write(tmp_path / "whole.mcap")
    whole = (tmp_path / "whole.mcap").read_bytes()
    path = tmp_path / "cut.mcap"
    counts = []
    head = whole.index(b"cartpole") + 64  # schemas, channels, metadata
    for size in range(len(whole) - 1, head, -997):
        path.write_bytes(whole[:size])
        recording = read_recording(path)
        assert recording.truncated
        assert recording.metadata["robot"] == "cartpole"
        read = sequences(recording)
        assert read == list(range(len(read)))
        counts.append(len(read))
    assert set(counts) >= {300, 200, 100}
    assert counts == sorted(counts, reverse=True)


def test_a_tail_of_zeros_is_a_cut(tmp_path: Path) -> None:
    write(tmp_path / "run.mcap", 200)
    whole = (tmp_path / "run.mcap").read_bytes()
    (tmp_path / "run.mcap").write_bytes(whole[: len(whole) // 2] + bytes(5000))
    assert read_recording(tmp_path / "run.mcap").truncated


def _has_recorded(path: Path, count: int) -> bool:
    """Whether so many observations can be read; of a file that has only just been made nothing can."""
    try:
        return len(sequences(read_recording(path))) > count
    except RecordingError:
        return False


def test_a_recorder_killed_by_kill_9_leaves_all_but_the_last_moment(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    address = f"ipc://{tmp_path}/robot"
    with running("plant", address), running("recorder", address, path) as recorder:
        wait_until(lambda: _has_recorded(path, 100))
        recorder.kill()
        recorder.wait()
    recording = read_recording(path)
    assert recording.truncated
    read = sequences(recording)
    assert read == list(range(read[0], read[0] + len(read)))


def test_a_full_disk_ends_the_recorder_with_one_line_and_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    address = f"ipc://{tmp_path}/robot"
    with running("plant", address), running("recorder_with_little_room", address, path, 100_000) as recorder:
        _, errors = recorder.communicate(timeout=30)
    assert recorder.returncode == 1
    assert errors == f"recording {path} can't be written: File too large\n"
    recording = read_recording(path)
    assert recording.truncated
    assert len(sequences(recording)) > 10
    assert path.stat().st_size == recording.end  # cut back to the last whole chunk


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "run.mcap", 1)
    with pytest.raises(RecordingError, match=r"run\.mcap can't be written: File exists"):
        RecordingWriter(tmp_path / "run.mcap", {})
    assert sequences(read_recording(tmp_path / "run.mcap")) == [0]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"none\.mcap can't be read: No such file"):
        read_recording(tmp_path / "none.mcap")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"time,x\n0,1\n"], ids=["empty", "png", "csv"])
def test_a_file_of_another_format_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match="is not an MCAP file"):
        read_recording(tmp_path / "run.mcap")


def test_an_mcap_file_of_something_else_is_named(tmp_path: Path) -> None:
    with (tmp_path / "run.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        schema = writer.register_schema("sensor.Image", "jsonschema", b"{}")
        channel = writer.register_channel("/image", "json", schema)
        writer.add_message(channel, log_time=1, data=b"{}", publish_time=1)
        writer.finish()
    with pytest.raises(RecordingError, match=r"without messages of this bus; they would be mpc_controller\.wire.Observation"):
        read_recording(tmp_path / "run.mcap")


def test_a_recording_that_another_tool_wrote_again_is_read(tmp_path: Path) -> None:
    """Compressed, with the schemas inside the chunks and other topics beside ours."""
    write(tmp_path / "ours.mcap", 100)
    with (tmp_path / "ours.mcap").open("rb") as source, (tmp_path / "theirs.mcap").open("wb") as file:
        writer = Writer(file, chunk_size=1000)
        writer.start()
        other = writer.register_channel("/image", "json", writer.register_schema("sensor.Image", "jsonschema", b"{}"))
        writer.add_message(other, log_time=0, data=b"{}", publish_time=0)
        ids: dict[int, int] = {}
        for schema, channel, message in make_reader(source).iter_messages():
            assert schema is not None
            if channel.id not in ids:
                schema_id = writer.register_schema(schema.name, schema.encoding, schema.data)
                ids[channel.id] = writer.register_channel(channel.topic, channel.message_encoding, schema_id)
            writer.add_message(ids[channel.id], message.log_time, message.data, message.publish_time)
        writer.finish()
    recording = read_recording(tmp_path / "theirs.mcap")
    assert sequences(recording) == list(range(100))
    assert (recording.metadata, recording.truncated) == ({}, False)


def test_a_recording_of_another_protocol_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "run.mcap", 1)
    content = (tmp_path / "run.mcap").read_bytes()
    key = b"protocol_version\x01\x00\x00\x00"
    assert content.count(key + b"1") == 1
    (tmp_path / "run.mcap").write_bytes(content.replace(key + b"1", key + b"9"))
    with pytest.raises(RecordingError, match="recorded with protocol version 9; this side reads 1"):
        read_recording(tmp_path / "run.mcap")


def test_a_damaged_chunk_is_an_error_and_not_a_wrong_number(tmp_path: Path) -> None:
    write(tmp_path / "run.mcap")
    content = bytearray((tmp_path / "run.mcap").read_bytes())
    at = content.index(b"cartpole\x12\x0c0123456789ab")
    content[at] ^= 1
    (tmp_path / "run.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match="is damaged: crc validation failed"):
        list(read_recording(tmp_path / "run.mcap").messages())


def test_a_chunk_without_a_check_sum_that_holds_nonsense_is_damaged(tmp_path: Path) -> None:
    write(tmp_path / "run.mcap")
    content = bytearray((tmp_path / "run.mcap").read_bytes())
    chunk = content.index(
        b"\x06", content.index(b"recording")
    )  # opcode, length, two times, size, check sum, compression, length
    inside = chunk + 1 + 8 + 8 + 8 + 8 + 4 + 4 + 8
    content[inside - 16 : inside - 12] = bytes(4)
    content[inside : inside + 9] = b"\xfe" + b"\xff" * 8
    (tmp_path / "run.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match="is damaged: a record cannot be read"):
        list(read_recording(tmp_path / "run.mcap").messages())


def test_a_frame_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "run.mcap", {}) as writer:
        with pytest.raises(WireError):
            writer.write_frame(wrap(Kind.PLAN, b"\xff"), 1)
        writer.write_frame(encode(OBSERVATION), 2)
    assert [log_time for log_time, _ in read_recording(tmp_path / "run.mcap").messages()] == [2]


def test_fields_that_this_side_does_not_know_are_kept(tmp_path: Path) -> None:
    unknown = b"\xfa\x3f\x03new"  # field 1023
    frame = wrap(Kind.E_STOP, wire.EStop(sequence=3).SerializeToString() + unknown)
    with RecordingWriter(tmp_path / "run.mcap", {}) as writer:
        writer.write_frame(frame, 1)
    content = io.BytesIO((tmp_path / "run.mcap").read_bytes())
    assert [message.data[-len(unknown) :] for _, _, message in make_reader(content).iter_messages()] == [unknown]


def test_messages_are_on_the_disk_soon_though_nothing_more_comes(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "run.mcap", {}) as writer:
        writer.write(OBSERVATION, 1)

        def is_readable() -> bool:
            writer.flush_if_due()
            time.sleep(0.01)
            return len(sequences(read_recording(tmp_path / "run.mcap"))) == 1

        wait_until(is_readable)


def test_an_hour_of_chunks_takes_less_than_a_megabyte_until_the_file_is_closed(tmp_path: Path) -> None:
    writer = McapWriter(tmp_path / "hour.mcap", {}, {f"/{k}": (f"kind {k}", b"") for k in range(8)})

    def record(first: int, count: int) -> None:
        for k in range(first, first + count):
            for channel in writer.channel_ids.values():
                writer.add(channel, 500_000_000 * k + channel, 0, k, b"x" * (50 + k % 7))
            writer.flush()

    tracemalloc.start()
    try:
        record(0, 100)  # warm-up
        before, _ = tracemalloc.get_traced_memory()
        record(100, 7200)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    writer.close()
    assert grown < 1e6
    with (tmp_path / "hour.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    assert len(summary.chunk_indexes) == 7300
    assert [c.message_start_time for c in summary.chunk_indexes] == [500_000_000 * k + 1 for k in range(7300)]
