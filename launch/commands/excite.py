"""`mpc excite`: design an experiment that shows the parameters, say what it will show, and run it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import final

from launch.bus_address import bus_of
from launch.commands.record import recording_path
from launch.errors import CommandError, ExitCode
from launch.excitation_run import run_excitation
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_free, check_json_path, write_json
from launch.selection import robot_with
from launch.signals import StopSignals
from mpc_controller.analysis.figure import FORMATS
from mpc_controller.identification.excitation.design import Design, DesignOptions, design
from mpc_controller.identification.excitation.experiment import Experiment, excitation_of, excitation_task
from mpc_controller.identification.excitation.experiment_file import load_experiment, save_experiment
from mpc_controller.identification.excitation.outlook import format_outlook, outlook_of, summary_of
from mpc_controller.identification.excitation.picture import draw_outlook
from mpc_controller.robot import Robot


@final
@dataclass(frozen=True)
class ExciteRequest:
    """The options of `mpc excite`; None stands for the robot's own value. `given`: an experiment that is not designed anew."""

    robot: str
    given: Path | None
    duration_s: float | None
    criterion: str
    seed: int
    evaluations: int | None
    parameters: Path | None
    output: Path | None
    picture: Path | None
    force: bool
    run: bool
    endpoint: str | None
    record: Path | None
    priority: int
    json: str | None


def excite(request: ExciteRequest) -> ExitCode:
    """Design or load, tell, write, and run where that is asked for."""
    check_json_path(request.json)
    robot = robot_with(request.robot, request.parameters, None)
    excitation_of(robot)
    path = request.given or request.output or Path(f"{robot.name}-excitation.toml")
    picture = request.picture or path.with_suffix(".png")
    if picture.suffix.lower() not in FORMATS:
        raise CommandError(f"--picture {picture}: give a name that ends in {', '.join(FORMATS)}", ExitCode.BAD_INPUT)
    if request.given is None:
        check_free(path, request.force)
        check_free(picture, request.force)
    terminal = Terminal(sys.stderr if request.json == TO_STDOUT else sys.stdout)
    summary: dict[str, object] = {"robot": robot.name, "file": path}
    if request.given is None:
        found = designed(
            robot, DesignOptions(request.duration_s, request.criterion, request.seed, request.evaluations), terminal
        )
        save_experiment(found.best.experiment, robot, path, notes_of(request.criterion, request.seed, found), request.force)
        experiment = found.best.experiment
        summary |= {"score": found.score, "start_score": found.start_score, "evaluations": found.evaluations}
    else:
        experiment = load_experiment(path, robot)
    summary |= told(experiment, robot, path, picture, terminal)
    if request.run:
        summary["recording"] = _flown(request, robot, experiment, path, terminal)
    write_json(request.json, summary)
    return ExitCode.OK


def designed(robot: Robot, options: DesignOptions, terminal: Terminal) -> Design:
    """The search with its progress."""
    found = design(robot, options, report=terminal.show)
    terminal.end_live()
    scores = f"{options.criterion} {found.score:.2f}, {found.start_score:.2f} at the start"
    terminal.say(f"{found.evaluations} experiments tried: {scores}")
    return found


def notes_of(criterion: str, seed: int, found: Design) -> dict[str, str]:
    """What a file says of where it comes from."""
    return {
        "criterion": f"{criterion}, {found.score:.3f} after {found.evaluations} experiments, {found.start_score:.3f} before",
        "seed": str(seed),
    }


def told(experiment: Experiment, robot: Robot, path: Path, picture: Path, terminal: Terminal) -> dict[str, object]:
    """What the experiment will show, as a table, a picture and for JSON."""
    outlook = outlook_of(experiment, robot, terminal.say)
    terminal.say(format_outlook(outlook, robot))
    try:
        draw_outlook(outlook, robot, picture)
    except OSError as error:
        raise CommandError(f"{picture}: cannot be written: {error.strerror}", ExitCode.BAD_INPUT) from None
    terminal.say(f"excitation: {path}")
    terminal.say(f"picture:    {picture}")
    return {"picture": picture, **summary_of(outlook)}


def _flown(request: ExciteRequest, robot: Robot, experiment: Experiment, path: Path, terminal: Terminal) -> Path | None:
    """The recording; None when it was stopped before there was one."""
    address, _ = bus_of(robot.name, request.endpoint)
    recording = request.record or recording_path(Path("runs"), f"{robot.name}-excitation")
    if request.record is not None:
        check_free(recording, request.force)
    arguments = ["--excitation", str(path), "--priority", str(request.priority)]
    if request.parameters is not None:
        arguments += ["--parameters", str(request.parameters)]
    with StopSignals() as stop:
        duration_s = excitation_task(experiment, robot).duration_s
        terminal.say(f"running on {address} for {duration_s:.1f} s")
        run_excitation(arguments, robot.name, address, recording, duration_s, terminal, stop.requested)
    if not recording.exists():
        return None
    terminal.say(f"recording:  {recording}")
    terminal.say(f"next:       mpc identify {robot.name} {recording}")
    return recording
