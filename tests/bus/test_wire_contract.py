"""wire.proto, the code generated from it, the Python side and docs/wire.md say the same."""

from __future__ import annotations

import dataclasses
import enum
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from mpc_controller.bus import wire_pb2 as wire
from mpc_controller.bus.codec import STREAMS, decode, encode
from mpc_controller.bus.frame import MAGIC, PROTOCOL_VERSION, Kind
from mpc_controller.bus.messages import Claim, EventKind, Mode
from mpc_controller.solvers.solution import Status
from tests.bus.examples import EXAMPLES, assert_same

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "wire.md"


@pytest.mark.parametrize(
    ("python", "name", "prefix"),
    [
        (Kind, "Kind", "KIND_"),
        (Mode, "Mode", "MODE_"),
        (Status, "SolveStatus", "SOLVE_STATUS_"),
        (EventKind, "EventKind", "EVENT_KIND_"),
        (Claim, "Claim", "CLAIM_"),
    ],
)
def test_enumerations_have_the_same_names_and_numbers(python: type[enum.IntEnum], name: str, prefix: str) -> None:
    on_the_wire = dict(getattr(wire, name).items())
    on_the_wire.pop("KIND_NONE", None)
    assert {prefix + member.name: member.value for member in python} == on_the_wire


def test_messages_have_the_same_fields() -> None:
    sizes = {"intervals", "nx", "nu", "ndx"}
    for stream in STREAMS.values():
        python = {field.name for field in dataclasses.fields(stream.message)}
        on_the_wire = {field.name for field in stream.wire.DESCRIPTOR.fields}
        assert {"times_ns" if name == "times" else name for name in python} == on_the_wire - sizes


def test_the_generated_code_is_that_of_the_proto_file(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="the Protobuf compiler is a development tool")
    source = "mpc_controller/bus/wire.proto"
    output = tmp_path / "descriptors"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"--descriptor_set_out={output}", source]
    subprocess.run(command, check=True, cwd=ROOT)
    compiled = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file[0]
    generated = descriptor_pb2.FileDescriptorProto()
    wire.DESCRIPTOR.CopyToProto(generated)
    assert _without_json_names(generated) == _without_json_names(compiled)


def _without_json_names(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    for message in file.message_type:
        for part in (message, *message.nested_type):
            for field in part.field:
                field.ClearField("json_name")
    return file


def test_the_document_names_the_magic_the_version_and_every_kind() -> None:
    text = DOCUMENT.read_text()
    assert f'"{MAGIC.decode()}"' in text
    assert f"protocol version {PROTOCOL_VERSION}" in text
    for kind, stream in STREAMS.items():
        assert re.search(rf"^\| {int(kind)} \| `{stream.message.__name__}` \| `{stream.topic}` ", text, re.MULTILINE), kind


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_vectors_of_the_document_are_those_of_the_codec(name: str) -> None:
    vectors = dict(re.findall(r"^### (.+?)\n.*?```hex\n(.*?)```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL))
    assert set(vectors) == set(EXAMPLES)
    frame = bytes.fromhex(vectors[name])
    assert encode(EXAMPLES[name]) == frame
    assert_same(decode(frame), EXAMPLES[name])
