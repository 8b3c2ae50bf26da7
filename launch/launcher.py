"""Runs what a launch file names: a controller, a recorder and a simulated plant, each in its own process."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from launch.bounds import ARMING, DURATION_S
from launch.crew import Arguments, Crew
from launch.errors import ExitCode
from launch.launch_file import LaunchFile
from launch.live_line import RunMonitor, Terminal
from launch.run_log import RunLog
from mpc_controller.bus.endpoints import BusError, Endpoints
from mpc_controller.bus.messages import Observation, Plan
from mpc_controller.bus.socket_files import SocketFiles
from mpc_controller.bus.zmq_link import PeerLink

_BUILD_TIMEOUT_S = 600.0  # generating and compiling the largest solver on a slow machine
_START_TIMEOUT_S = 60.0
_FIRST_WORDS_S = 120.0  # how long the controller waits for a plant that is still starting


@final
@dataclass(frozen=True)
class Outcome:
    """A run's end: `failure` is None when it went as planned or a user stopped it, which `stopped` tells. `control` and `plant`
    are the JSON of their summaries, {} of one that could not write it. restarts: how often each process that died was started
    again. recordings: the files, one for each recorder."""

    failure: str | None
    code: ExitCode
    stopped: bool
    control: dict[str, Any]
    plant: dict[str, Any]
    restarts: dict[str, int] = field(default_factory=dict)
    recordings: tuple[Path, ...] = ()


def run_launch(
    launch: LaunchFile,
    address: str,
    duration_s: float,
    recording: Path | None,
    viewer: bool,
    terminal: Terminal,
    stopped: Callable[[], bool],
) -> Outcome:
    """Run for `duration_s` of the plant's time, or until `stopped()` or a child's death that is not mended by a restart; all
    processes have ended on return.

    The controller and the recorder are ready before the plant starts: nothing of the run is missed, and the plant never waits
    for a solver to be built.
    """
    log = RunLog(launch.supervision.log, terminal.complain)
    with log, tempfile.TemporaryDirectory(prefix="mpc-launch-") as folder:
        control_json, plant_json = Path(folder) / "control.json", Path(folder) / "sim.json"
        endpoints = Endpoints.of(address)
        recordings: list[Path] = []
        log.write("launch", "info", f"{launch.robot}/{launch.task} on {address}", file=launch.path, duration_s=duration_s)
        with (
            _swept(endpoints),
            PeerLink(endpoints, kinds=(Observation, Plan)) as link,
            Crew(terminal, stopped, launch.supervision, log, Path(folder)) as crew,
        ):
            crew.start("control", lambda restarts: _control_arguments(launch, address, control_json))
            if recording is not None:
                crew.start("record", lambda restarts: _record_arguments(launch, address, recording, recordings))
            if launch.adapt.names:
                crew.start("adapt", lambda restarts: _adapt_arguments(launch, address))
            crew.wait_ready(_BUILD_TIMEOUT_S)
            if crew.is_sound:
                crew.start("sim", _sim_arguments_of(launch, address, plant_json, duration_s, peers=crew.size + 1))
                crew.wait_ready(_START_TIMEOUT_S)
            if viewer and crew.is_sound:
                crew.start("view", lambda restarts: ["view", launch.robot, "--endpoint", address])
            monitor = RunMonitor(link)
            while crew.is_sound and not crew.has_finished("sim"):
                line = monitor.line()
                if line:
                    terminal.show(line)
            terminal.end_live()
        recorded = tuple(path for path in recordings if path.exists())
        log.write("launch", "info", "ended", failure=crew.failure, stopped=stopped(), restarts=crew.restarts)
        summaries = _read(control_json), _read(plant_json)
        return Outcome(crew.failure, crew.code, stopped(), *summaries, crew.restarts, recorded)


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
    arguments += _given("--cpu", section.cpu)
    arguments += ["--adapt-residual"] if section.adapt_residual else []
    return arguments + _given("--residual", section.residual) + _given("--plant-rate", launch.sim.rate_hz)


def _adapt_arguments(launch: LaunchFile, address: str) -> list[str]:
    arguments = ["adapt", launch.robot, "--endpoint", address, "--rate", str(launch.adapt.rate_hz)]
    arguments += [word for name in launch.adapt.names for word in ("--parameter", name)]
    return arguments + _given("--parameters", launch.control.parameters) + _given("--plant-rate", launch.sim.rate_hz)


def _record_arguments(launch: LaunchFile, address: str, first: Path, recordings: list[Path]) -> list[str]:
    """A file of its own for each recorder, noted in `recordings`: what there is already is never overwritten."""
    count = len(recordings) + 1
    recordings.append(first if count == 1 else first.with_stem(f"{first.stem}-{count}"))
    return ["record", launch.robot, "--endpoint", address, "--output", str(recordings[-1])]


def _sim_arguments_of(launch: LaunchFile, address: str, summary: Path, duration_s: float, peers: int) -> Arguments:
    """Those of a plant's successor give it the rest of the time, from the start of the first, and nobody to wait for."""
    start_s = time.monotonic()

    def arguments(restarts: int) -> list[str]:
        if restarts == 0 or launch.sim.lock_step:
            return _sim_arguments(launch, address, summary, duration_s, peers)
        rest_s = max(duration_s - (time.monotonic() - start_s), DURATION_S[0])
        return _sim_arguments(launch, address, summary, rest_s, peers=0)

    return arguments


def _sim_arguments(launch: LaunchFile, address: str, summary: Path, duration_s: float, peers: int) -> list[str]:
    section = launch.sim
    arguments = ["sim", launch.robot, "--task", launch.task, "--endpoint", address, "--json", str(summary)]
    arguments += ["--truth", str(launch.path)]
    arguments += ["--seed", str(section.seed), "--duration", str(duration_s), "--peers", str(peers), *_scheduling(launch)]
    arguments += _given("--rate", section.rate_hz) + _given("--control-rate", launch.control.rate_hz)
    arguments += _given("--mjcf", section.mjcf) + _given("--cpu", section.cpu)
    arguments += ["--arming", ARMING[1]] if section.operator_arms else []
    return arguments + ["--lock-step"] * section.lock_step


def _scheduling(launch: LaunchFile) -> list[str]:
    return [] if launch.realtime and not launch.sim.lock_step else ["--priority", "0"]


def _given(option: str, value: object) -> list[str]:
    """The option with its value, or nothing for None."""
    return [] if value is None else [option, str(value)]
