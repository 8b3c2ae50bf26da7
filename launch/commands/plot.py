"""`mpc plot`: a recording as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launch.errors import CommandError, ExitCode
from launch.output import check_json_path, speaker, write_json
from launch.selection import task_of
from mpc_controller.analysis.figure import FORMATS, draw
from mpc_controller.analysis.run import load_run
from mpc_controller.analysis.summary import summarize
from mpc_controller.analysis.table import format_table
from robots import load_robot


def plot(recording: Path, output: Path | None, json_path: str | None) -> ExitCode:
    """Print the table, write the picture and the JSON summary."""
    check_json_path(json_path)
    picture = output or recording.with_suffix(".png")
    if picture.suffix.lower() not in FORMATS:
        known = ", ".join(FORMATS)
        raise CommandError(f"--output {picture}: no format for pictures; give a name that ends in {known}", ExitCode.BAD_INPUT)
    summary, table = analyze(recording, picture)
    say = speaker(json_path)
    say(table)
    say(f"picture: {picture}")
    write_json(json_path, summary)
    return ExitCode.OK


def analyze(recording: Path, picture: Path) -> tuple[dict[str, Any], str]:
    """The summary and its table; writes the picture. Raises CommandError for a recording that holds no run."""
    try:
        run = load_run(recording)
    except ValueError as error:
        raise CommandError(str(error), ExitCode.BAD_INPUT) from None
    robot = load_robot(run.robot)
    # Without a plan nobody knows the task; its own is as good a yardstick as any.
    task = task_of(robot, run.task or None)
    summary = summarize(run, robot, task)
    try:
        draw(run, robot, task, picture)
    except OSError as error:
        raise CommandError(f"{picture}: cannot be written: {error.strerror}", ExitCode.BAD_INPUT) from None
    return summary, format_table(summary)
