"""`mpc record`: everything that is said on a robot's bus, in one file."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from launch.bus_address import bus_of
from launch.child import READY
from launch.errors import CommandError, ExitCode
from launch.output import check_json_path, speaker, write_json
from launch.signals import StopSignals
from mpc_controller.bus.zmq_link import PeerLink
from mpc_controller.node.clock_questions import ClockQuestions, may_ask
from mpc_controller.node.recorder import record
from robots import load_robot

_ASK_NS = 1_000_000_000  # the plant for its time


@final
@dataclass(frozen=True)
class RecordRequest:
    """The options of `mpc record`."""

    robot: str | None
    endpoint: str | None
    output: Path | None
    json: str | None


def record_run(request: RecordRequest) -> ExitCode:
    """Record until told to stop."""
    check_json_path(request.json)
    say = speaker(request.json)
    if request.robot is None and request.endpoint is None:
        raise CommandError("whose bus? give a robot (`mpc record quadrotor`) or --endpoint", ExitCode.BAD_INPUT)
    name = load_robot(request.robot).name if request.robot is not None else ""
    address, endpoints = bus_of(name, request.endpoint)
    path = request.output or recording_path(Path("runs"), name or "recording")
    _check_new(path)
    with StopSignals() as stop, PeerLink(endpoints, newest_only=()) as link:
        say(f"{READY}: recording {address} into {path}")
        questions = ClockQuestions("recorder", _ASK_NS) if may_ask(endpoints.credentials) else None
        summary = record(link, path, {"robot": name}, stop.requested, questions)
    counts = ", ".join(f"{count} {topic}" for topic, count in summary.messages.items() if count)
    if counts:
        missing = f"; {summary.lost} observations did not come" if summary.lost else ""
        say(f"recorded {summary.path} ({summary.bytes / 1e6:.1f} MB: {counts}{missing})")
    else:
        path.unlink(missing_ok=True)
        say("nothing was said, so no recording is kept")
    write_json(request.json, asdict(summary) | {"path": path if counts else None})
    return ExitCode.OK


def _check_new(path: Path) -> None:
    """Refuse what could not be written, before anyone is told that all is recorded. Raises CommandError."""
    reason = ""
    folder = next((parent for parent in path.absolute().parents if parent.exists()), Path("/"))
    if path.is_dir():
        reason = "is a folder; give the name of a file"
    elif path.exists():
        reason = "exists; give another name"
    elif not (folder.is_dir() and os.access(folder, os.W_OK)):
        reason = f"cannot be written: {folder} is no folder that can be written to; give another"
    if reason:
        raise CommandError(f"{path} {reason}", ExitCode.BAD_INPUT)


def recording_path(folder: Path, name: str) -> Path:
    """A new file name: what ran, when, in local time, and the process, of which several may start in one second."""
    return folder / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.mcap"
