"""What is fuzzed: everything that reads bytes which others wrote, with valid examples and the one error that may come out."""

from __future__ import annotations

import dataclasses
import struct
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from launch.launch_file import load_launch_file
from mpc_controller.bus.codec import decode, encode
from mpc_controller.bus.endpoints import BusError, Endpoints
from mpc_controller.bus.frame import WireError, unwrap, wrap
from mpc_controller.bus.mcap_file import MCAP_MAGIC
from mpc_controller.bus.messages import Event, EventKind, ParameterUpdate, Plan
from mpc_controller.bus.recording import RecordingError, RecordingWriter, read_recording
from mpc_controller.identification.excitation.experiment import Experiment, excitation_of
from mpc_controller.identification.excitation.experiment_file import load_experiment, save_experiment
from mpc_controller.identification.excitation.shapes import first_shape
from mpc_controller.identification.log_files.mapping import read_mapping
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.parameters import ParameterError
from mpc_controller.model.residual.residual_file import ResidualError, residual_bytes, residual_from_bytes
from mpc_controller.node.bus_status import BusListener
from mpc_controller.node.event_log import EventLog
from mpc_controller.node.introduction import Introduction
from mpc_controller.toml_table import TomlError, TomlTable
from robots import load_robot, load_structure
from tests.bus.examples import EXAMPLES, OBSERVATION
from tests.model.test_residual_file import everything

_ROOT: Final = Path(__file__).parents[2]
_STRUCTURE: Final = load_structure("emps")
_CARTPOLE: Final = load_robot("cartpole")
_TOML: Final = b"""
text = "a"
flag = true
whole = 3
number = 2.5
names = ["a", "b"]
indices = [0, 2]
file = "any.toml"

[table]
text = 'b'
number = 1e3
[table.inner]
flag = false
"""


@final
@dataclass(frozen=True)
class Target:
    """`read(data)` may raise `errors` alone, and asserts what it promises. `is_text`: of TOML. `runs`: of mutated inputs in
    `make test`; a launch file takes 10 ms, all else less than one."""

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes], Any]
    errors: tuple[type[Exception], ...]
    is_text: bool
    runs: int

    def try_out(self, data: bytes) -> bool:
        """Whether it was read. Any error but the documented ones comes out; those must be one line that can be printed."""
        try:
            self.read(data)
        except self.errors as error:
            told = str(error)
        else:
            return True
        assert told, "an error without a word"
        return False


def _frame(data: bytes) -> None:
    kind, payload = unwrap(data)
    assert wrap(kind, payload) == data


def _message(data: bytes) -> None:
    """What was read can be sent, and comes back the same."""
    message = decode(data)
    frame = encode(message)
    assert encode(decode(frame)) == frame


def _words(data: bytes) -> None:
    """What anyone says on a bus is taken in by those who listen, and what a node tells of it can be sent."""
    message = decode(data)
    listener, log = BusListener(), EventLog("plant")
    for heard in (OBSERVATION, message):
        listener.accept(heard, 0)
    listener.status(1)
    log.tell(EventKind.REJECTED, 0, str(message), "", {str(message): repr(data)})
    for event in log.drain():
        encode(event)


def _address(data: bytes) -> None:
    endpoints = Endpoints.of(data.decode("utf-8", "surrogateescape"))
    assert endpoints.out != endpoints.inbox


def _residual(data: bytes) -> None:
    residual = residual_from_bytes(data, "fuzz")
    content = residual_bytes(residual)
    assert residual_bytes(residual_from_bytes(content, "fuzz")) == content


def _recording(data: bytes) -> None:
    with _file(data, "run.mcap") as path:
        for _ in read_recording(path).messages():
            pass


def _parameters(data: bytes) -> None:
    with _file(data, "parameters.toml") as path:
        load_parameters(path)


def _launch(data: bytes) -> None:
    with _file(data, "launch.toml") as path:
        load_launch_file(path)


def _mapping(data: bytes) -> None:
    with _file(data, "log.toml") as path:
        read_mapping(path, _STRUCTURE)


def _excitation(data: bytes) -> None:
    with _file(data, "excitation.toml") as path:
        load_experiment(path, _CARTPOLE)


def _table(data: bytes) -> None:
    with _file(data, "any.toml") as path:
        top = TomlTable.read(path)
        top.text("text", None, ("a", "b"))
        top.flag("flag", default=False)
        top.integer("whole", 1, 0, 10)
        top.number("number", None, 0.0, 10.0)
        top.texts("names", ())
        top.indices("indices")
        top.input_file("file")
        table = top.required_table("table", "a table")
        table.required_text("text")
        table.number("number", 1.0, -1e9, 1e9)
        table.table("inner").flag("flag", default=True)
        top.finish()


@final
class _file:  # noqa: N801
    """A file with this content, as long as the context lasts."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name = data, name

    def __enter__(self) -> Path:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, self._name)
        path.write_bytes(self._data)
        return path

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _frames() -> list[bytes]:
    update = ParameterUpdate(4, {"mass": 1.0}, residual=b"PK\x03\x04")
    return [encode(message) for message in (*EXAMPLES.values(), update)]


def _totals() -> list[bytes]:
    """What listeners make numbers of."""
    introduction = Introduction(100.0, 400.0, "ekf", {"mass": 1.0}).event("cartpole", 7, 0.1)
    totals = Event(EventKind.INFO, 0, "plant", "totals so far", details={"rejected_plans": "3", "overruns": "0"})
    health = Event(EventKind.INFO, 0, "plant", "health of the robot", details={"temperature": "41.5"})
    long = ParameterUpdate(1, {"x" * 70_000: 1.0})
    return [*_frames(), *(encode(message) for message in (introduction, totals, health, long))]


def _recordings() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        contents = []
        for name, messages in (
            ("all", list(EXAMPLES.values())),
            ("none", []),
            ("plans", [m for m in EXAMPLES.values() if isinstance(m, Plan)]),
        ):
            path = Path(folder, name)
            with RecordingWriter(path, {"robot": "cartpole"}) as writer:
                for i, message in enumerate(messages):
                    writer.write(message, log_time_ns=i)
            whole = path.read_bytes()
            contents += [whole, whole[: len(whole) // 2], _without_check_sums(whole)]
        return contents


def _without_check_sums(recording: bytes) -> bytes:
    """0 where chunks (6) have theirs (behind two times and a size) means that there is none: what is inside gets read."""
    content, position = bytearray(recording), len(MCAP_MAGIC)
    while position + 9 < len(content):
        opcode, length = struct.unpack_from("<BQ", content, position)
        if opcode == 6:
            content[position + 9 + 24 : position + 9 + 28] = bytes(4)
        position += 9 + length
    return bytes(content)


def _residuals() -> list[bytes]:
    whole = everything()
    return [residual_bytes(whole), residual_bytes(dataclasses.replace(whole, accepted=False, metrics={}, provenance={}))]


def _experiments() -> list[bytes]:
    random = np.random.default_rng(0)
    shapes = tuple(first_shape(channel, 2.0, random) for channel in excitation_of(_CARTPOLE).channels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "excitation.toml")
        save_experiment(Experiment("cartpole", shapes), _CARTPOLE, path, {})
        return [path.read_bytes()]


def _files(pattern: str, but: str = " ") -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in sorted(_ROOT.glob(pattern)) if but not in path.name]


TARGETS: Final[Mapping[str, Target]] = {
    "frame": Target(_frames, _frame, (WireError,), False, 4000),
    "message": Target(_frames, _message, (WireError,), False, 4000),
    "words": Target(_totals, _words, (WireError,), False, 1000),
    "address": Target(lambda: [b"tcp://127.0.0.1:5555", b"ipc:///run/robot"], _address, (BusError,), True, 1000),
    "residual": Target(_residuals, _residual, (ResidualError,), False, 1000),
    "recording": Target(_recordings, _recording, (RecordingError,), False, 500),
    "parameters": Target(_files("robots/*/parameters.toml"), _parameters, (ParameterError,), True, 800),
    "table": Target(lambda: [_TOML], _table, (TomlError,), True, 1500),
    "launch": Target(_files("launch/*.toml", "learn"), _launch, (TomlError, ParameterError), True, 100),
    "excitation": Target(_experiments, _excitation, (IdentificationError,), True, 300),
    "mapping": Target(_files("robots/*/log.toml"), _mapping, (TomlError,), True, 800),
}
