"""Runs what a launch file names: a controller, a recorder and a simulated plant, each in its own process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from launch.child import Child, describe_exit, wait_ready
from launch.errors import ExitCode
from launch.launch_file import LaunchFile
from launch.live_line import RunMonitor, Terminal
from mpc_controller.bus.endpoints import BusError, Endpoints
from mpc_controller.bus.messages import Observation, Plan
from mpc_controller.bus.socket_files import SocketFiles
from mpc_controller.bus.zmq_link import PeerLink

_BUILD_TIMEOUT_S = 600.0  # generating and compiling the largest solver on a slow machine
_START_TIMEOUT_S = 60.0
_FIRST_WORDS_S = 120.0  # how long the controller waits for a plant that is still starting
_LOOK_S = 0.1  # between looks at the children, who need the processor more
# As after a whole run: the plant first, with its last words; that the controller leaves is no part of the run.
_STOP_ORDER = ("sim", "record", "adapt", "control", "view")
_OPTIONAL = "view"  # may end whenever it likes
# What a process that ends at its start says about the cause is passed on; later it is a failed run.
_START_CODES = (ExitCode.BAD_INPUT, ExitCode.ENVIRONMENT)


@final
@dataclass(frozen=True)
class Outcome:
    """A run's end: `failure` is None when it went as planned or a user stopped it, which `stopped` tells. `control` and `plant`
    are the JSON of their summaries, {} of one that could not write it."""

    failure: str | None
    code: ExitCode
    stopped: bool
    control: dict[str, Any]
    plant: dict[str, Any]


def run_launch(
    launch: LaunchFile,
    address: str,
    duration_s: float,
    recording: Path | None,
    viewer: bool,
    terminal: Terminal,
    stopped: Callable[[], bool],
) -> Outcome:
    """Run for `duration_s` of the plant's time, or until `stopped()` or a child's death; all processes have ended on return.

    The controller and the recorder are ready before the plant starts: nothing of the run is missed, and the plant never waits
    for a solver to be built.
    """
    with tempfile.TemporaryDirectory(prefix="mpc-launch-") as folder:
        control_json, plant_json = Path(folder) / "control.json", Path(folder) / "sim.json"
        endpoints = Endpoints.of(address)
        with (
            _swept(endpoints),
            PeerLink(endpoints, kinds=(Observation, Plan)) as link,
            _Crew(terminal, stopped) as crew,
        ):
            crew.start("control", _control_arguments(launch, address, control_json))
            if recording is not None:
                crew.start("record", ["record", launch.robot, "--endpoint", address, "--output", str(recording)])
            if launch.adapt.names:
                crew.start("adapt", _adapt_arguments(launch, address))
            crew.wait_ready(_BUILD_TIMEOUT_S)
            if crew.is_sound:
                crew.start("sim", _sim_arguments(launch, address, plant_json, duration_s, peers=crew.size + 1))
                crew.wait_ready(_START_TIMEOUT_S)
            if viewer and crew.is_sound:
                crew.start("view", ["view", launch.robot, "--endpoint", address])
            monitor = RunMonitor(link)
            while crew.is_sound and not crew.has_finished("sim"):
                line = monitor.line()
                if line:
                    terminal.show(line)
            terminal.end_live()
        return Outcome(crew.failure, crew.code, stopped(), _read(control_json), _read(plant_json))


def _read(summary: Path) -> dict[str, Any]:
    return dict(json.loads(summary.read_text())) if summary.exists() else {}


@contextmanager
def _swept(endpoints: Endpoints) -> Iterator[None]:
    """Afterwards the socket files of a plant that was killed are gone; those of a live one stay."""
    try:
        yield
    finally:
        with suppress(BusError):
            SocketFiles(endpoints).remove()


def _control_arguments(launch: LaunchFile, address: str, summary: Path) -> list[str]:
    section = launch.control
    arguments = ["control", launch.robot, "--task", launch.task, "--endpoint", address, "--json", str(summary)]
    arguments += ["--estimator", section.estimator, "--wait", str(_FIRST_WORDS_S), *_scheduling(launch)]
    arguments += _given("--solver", section.solver) + _given("--rate", section.rate_hz)
    arguments += _given("--parameters", section.parameters) + _given("--excitation", section.excitation)
    arguments += ["--adapt-residual"] if section.adapt_residual else []
    return arguments + _given("--residual", section.residual) + _given("--plant-rate", launch.sim.rate_hz)


def _adapt_arguments(launch: LaunchFile, address: str) -> list[str]:
    arguments = ["adapt", launch.robot, "--endpoint", address, "--rate", str(launch.adapt.rate_hz)]
    arguments += [word for name in launch.adapt.names for word in ("--parameter", name)]
    return arguments + _given("--parameters", launch.control.parameters) + _given("--plant-rate", launch.sim.rate_hz)


def _sim_arguments(launch: LaunchFile, address: str, summary: Path, duration_s: float, peers: int) -> list[str]:
    section = launch.sim
    arguments = ["sim", launch.robot, "--task", launch.task, "--endpoint", address, "--json", str(summary)]
    arguments += ["--truth", str(launch.path)]
    arguments += ["--seed", str(section.seed), "--duration", str(duration_s), "--peers", str(peers), *_scheduling(launch)]
    arguments += _given("--rate", section.rate_hz) + _given("--control-rate", launch.control.rate_hz)
    arguments += _given("--mjcf", section.mjcf)
    return arguments + ["--lock-step"] * section.lock_step


def _scheduling(launch: LaunchFile) -> list[str]:
    return [] if launch.realtime and not launch.sim.lock_step else ["--priority", "0"]


def _given(option: str, value: object) -> list[str]:
    """The option with its value, or nothing for None."""
    return [] if value is None else [option, str(value)]


@final
class _Crew:
    """The processes of one run. Leaving the context stops them all."""

    def __init__(self, terminal: Terminal, stopped: Callable[[], bool]) -> None:
        self._terminal, self._stopped = terminal, stopped
        self._children: dict[str, Child] = {}
        self.failure: str | None = None
        self.code = ExitCode.OK

    @property
    def size(self) -> int:
        """How many processes there are."""
        return len(self._children)

    @property
    def is_sound(self) -> bool:
        """Whether the run may go on: nobody stopped it and nothing failed."""
        return self.failure is None and not self._stopped()

    def start(self, name: str, arguments: Sequence[str]) -> None:
        self._children[name] = Child(name, arguments, self._terminal.say, self._terminal.complain)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until all say that they are ready; one that does not is a failure."""
        child = wait_ready(list(self._children.values()), timeout_s, self._stopped)
        if child is None:
            return
        code = child.wait(0.0)
        if code is None:
            self._fail(f"{child.name} was not ready within {timeout_s:g} s", ExitCode.RUN_FAILED)
        else:
            reason = ExitCode(code) if code in _START_CODES else ExitCode.RUN_FAILED
            self._fail(f"{child.name} ended at its start ({describe_exit(code)})", reason)

    def has_finished(self, name: str) -> bool:
        """Whether this child has ended well, after waiting a moment; the end of any other one is a failure."""
        finished = self._children[name].wait(_LOOK_S) == 0
        for child in self._children.values():
            code = child.exit_code()
            if code is not None and child.name != _OPTIONAL and not (child.name == name and code == 0):
                self._fail(f"{child.name} ended during the run ({describe_exit(code)})", ExitCode.RUN_FAILED)
        return finished

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for child in sorted(self._children.values(), key=lambda c: _STOP_ORDER.index(c.name)):
            had_ended = child.exit_code() is not None
            child.stop()
            code = child.exit_code()
            if not had_ended and code != 0 and child.name != _OPTIONAL:
                self._fail(f"{child.name} did not stop cleanly ({describe_exit(code or 0)})", ExitCode.RUN_FAILED)

    def _fail(self, failure: str, code: ExitCode) -> None:
        """The first failure is the cause; those after it are its consequences."""
        if self.failure is None and not self._stopped():
            self.failure, self.code = failure, code
