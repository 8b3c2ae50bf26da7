"""`mpc launch`: a whole run from a launch file, or several with an identification between, and what came out of it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from launch.bus_address import bus_of
from launch.commands.learn import check_training
from launch.commands.plot import analyze
from launch.commands.record import recording_path
from launch.errors import CommandError, ExitCode
from launch.launch_file import LaunchFile, load_launch_file
from launch.launcher import Outcome, run_launch
from launch.learn_stages import learn_between
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_json_path, write_json
from launch.selection import check_rates, check_solver, excited_task, task_of
from launch.signals import StopSignals
from launch.stages import Stage, concluded, identify_between
from mpc_controller.analysis.table import format_table
from mpc_controller.analysis.unrecorded import summarize_nodes
from mpc_controller.bus.zmq_link import PlantLink
from mpc_controller.node.notify import Notifier
from mpc_controller.robot import Task
from robots import load_robot
from sim.viewer import has_display


@final
@dataclass(frozen=True)
class LaunchRequest:
    """The options of `mpc launch`; None leaves it to the file."""

    file: Path
    headless: bool
    json: str | None
    duration_s: float | None
    task: str | None
    solver: str | None
    rate_hz: float | None
    endpoint: str | None


def launch_run(request: LaunchRequest) -> ExitCode:
    """Check everything, run, analyse the recording, and say how it went."""
    check_json_path(request.json)
    with StopSignals() as stop, Notifier.of() as notifier:
        launch = _overridden(load_launch_file(request.file), request)
        if launch.learn is not None:
            check_training()
        terminal = Terminal(sys.stderr if request.json == TO_STDOUT else sys.stdout)

        notifier.ready(f"running {request.file}")

        def run(stage: LaunchFile, label: str) -> Stage:
            return _run_once(stage, label, request, terminal, stop)

        if launch.learn is not None:
            return learn_between(launch, run, request.json, terminal)
        if launch.identify is not None:
            return identify_between(launch, run, request.json, terminal)
        stage = run(launch, launch.task)
        # Not for a run that failed before it began.
        if stage.outcome.failure is None or stage.outcome.plant or stage.summary["recording"]:
            write_json(request.json, stage.summary)
        return concluded(stage, terminal)


def _run_once(launch: LaunchFile, label: str, request: LaunchRequest, terminal: Terminal, stop: StopSignals) -> Stage:
    """All processes from their start to their end; `label` goes into the recording's name."""
    task = excited_task(load_robot(launch.robot), launch.task, launch.control.excitation)
    # An address of its own: neither another run nor a stray controller gets in the way.
    address, endpoints = bus_of(f"{launch.robot}-{os.getpid()}", request.endpoint)
    # Binds and lets go: with another plant there the controller would take that one over.
    PlantLink(endpoints).close()
    recording = recording_path(launch.record.folder, f"{launch.robot}-{label}") if launch.record.enabled else None
    viewer = not request.headless and has_display()
    terminal.say(f"{launch.robot}/{label} on {address}")
    duration_s = launch.duration_s or task.duration_s
    outcome = run_launch(launch, address, duration_s, recording, viewer, terminal, stop.requested)
    if outcome.restarts:
        terminal.say("started again: " + ", ".join(f"{name} {count}" for name, count in outcome.restarts.items()))
    # Of a recorder that was started again the longest file tells the most.
    recording = max(outcome.recordings, key=lambda path: path.stat().st_size, default=None)
    summary = _summarized(launch, task, outcome, recording, terminal)
    return Stage(outcome, summary | {"restarts": outcome.restarts, "recordings": outcome.recordings})


def _overridden(launch: LaunchFile, request: LaunchRequest) -> LaunchFile:
    """The launch file with what the command line says instead."""
    robot = load_robot(launch.robot)
    task_of(robot, request.task)
    check_solver(request.solver)
    control = replace(
        launch.control, solver=request.solver or launch.control.solver, rate_hz=request.rate_hz or launch.control.rate_hz
    )
    # A task other than the file's has a duration of its own.
    duration_s = request.duration_s or (launch.duration_s if request.task in (None, launch.task) else None)
    plant_rate_hz = launch.sim.rate_hz or robot.plant_rate_hz
    check_rates(replace(robot, plant_rate_hz=plant_rate_hz), control.rate_hz)
    return replace(launch, task=request.task or launch.task, control=control, duration_s=duration_s)


def _summarized(launch: LaunchFile, task: Task, outcome: Outcome, recording: Path | None, terminal: Terminal) -> dict[str, Any]:
    """The run's numbers, shown as a table where there are some: from the recording, else from what the nodes counted."""
    has_plans = bool(outcome.control.get("plans"))
    if recording is not None and (has_plans or not outcome.stopped):
        picture = recording.with_suffix(".png")
        try:
            summary, table = analyze(recording, picture)
        except CommandError as error:
            if outcome.failure is None:
                raise
            terminal.say(f"no summary: {error}")
        else:
            terminal.say(table)
            terminal.say(f"recording: {recording}")
            terminal.say(f"picture:   {picture}")
            return summary | {"build_s": outcome.control.get("build_s", summary["build_s"])}
    solver = launch.control.solver or task.solver
    summary = summarize_nodes(launch.robot, task.name, solver, outcome.control, outcome.plant)
    if not launch.record.enabled and has_plans:
        terminal.say(format_table(summary))
    return summary | {"recording": recording}
