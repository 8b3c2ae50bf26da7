"""Runs one after the other with an identification between them: does the robot follow better with what was found?"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, final

from launch.commands.excite import designed, notes_of, told
from launch.commands.identify import IdentifyRequest, identify_machine
from launch.commands.record import recording_path
from launch.errors import CommandError, ExitCode
from launch.launch_file import IdentifySection, LaunchFile
from launch.launcher import Outcome
from launch.live_line import Terminal
from launch.output import TO_STDOUT, write_json
from launch.selection import robot_with
from mpc_controller.analysis.units import shown_quantity
from mpc_controller.identification.excitation.design import DesignOptions
from mpc_controller.identification.excitation.experiment import excitation_of
from mpc_controller.identification.excitation.experiment_file import load_experiment, save_experiment
from mpc_controller.robot import Robot


@final
@dataclass(frozen=True)
class Stage:
    """One run that has ended, and its summary."""

    outcome: Outcome
    summary: dict[str, Any]


Run: TypeAlias = Callable[[LaunchFile, str], Stage]  # a launch, and what its recording is named after


def identify_between(launch: LaunchFile, run: Run, json_path: str | None, terminal: Terminal) -> ExitCode:
    """The launch's task, an excitation, `mpc identify` on its recording, and the task again with the parameters found.

    Every stage is an ordinary run with a recording of its own, and stops the others when it fails or is stopped.
    """
    assert launch.identify is not None
    robot = robot_with(launch.robot, launch.control.parameters, launch.sim.rate_hz)
    stem = recording_path(launch.record.folder, f"{launch.robot}-identified").with_suffix("")
    stem.parent.mkdir(parents=True, exist_ok=True)
    excitation = excitation_file(launch.identify, robot, stem, terminal)

    before = sound(run(launch, f"{launch.task}-before"), terminal)
    excited = sound(run(excited_launch(launch, robot, excitation), "excitation"), terminal) if before else None
    if before is None or excited is None:
        return ExitCode.OK
    parameters = stem.with_suffix(".toml")
    identify_from(launch, [excited["recording"]], parameters, json_path)
    again = replace(launch, control=replace(launch.control, parameters=parameters))
    after = sound(run(again, f"{launch.task}-after"), terminal)
    if after is None:
        return ExitCode.OK
    terminal.say(format_comparison(launch, before, after))
    terminal.say(f"parameters: {parameters}")
    stages = {"before": before, "excitation": excited, "after": after}
    write_json(json_path, {**stages, "excitation_file": excitation, "parameters": parameters})
    return ExitCode.OK


def excited_launch(launch: LaunchFile, robot: Robot, excitation: Path) -> LaunchFile:
    """The same with the excitation instead of the task."""
    control = replace(launch.control, excitation=excitation)
    return replace(launch, task=excitation_of(robot).task, duration_s=None, control=control)


def concluded(stage: Stage, terminal: Terminal) -> ExitCode:
    """OK, or CommandError for a run that went wrong."""
    outcome, summary = stage.outcome, stage.summary
    if outcome.failure is not None:
        raise CommandError(outcome.failure, outcome.code)
    if not summary["plans"]:
        if not outcome.stopped:
            raise CommandError("the run ended without a single plan", ExitCode.RUN_FAILED)
        terminal.say("stopped before the first plan")
    return ExitCode.OK


def format_comparison(launch: LaunchFile, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The tracking errors with nominal and with identified parameters."""
    lines = [f"{launch.robot} · {launch.task}", f"  {'tracking error, RMSE':<24}{'before':>13}{'identified':>13}{'':>9}"]
    for name, old in before["tracking_rmse"].items():
        new = after["tracking_rmse"].get(name, float("nan"))
        quantity, unit, scale = shown_quantity(name)
        shown = "".join(f"{f'{value * scale:.3g} {unit}':>13}" for value in (old, new))
        lines.append(f"  {quantity:<24}{shown}{f'{100 * (new / old - 1):+.0f} %':>9}")
    return "\n".join(lines)


def sound(stage: Stage, terminal: Terminal) -> dict[str, Any] | None:
    """The summary of a run that went well; None where it was stopped. Raises CommandError for one that went wrong."""
    concluded(stage, terminal)
    return None if stage.outcome.stopped else stage.summary


def excitation_file(section: IdentifySection, robot: Robot, stem: Path, terminal: Terminal) -> Path:
    """The given excitation, or one that is designed on the model with nominal parameters."""
    if section.excitation is not None:
        return section.excitation
    found = designed(robot, DesignOptions(section.duration_s, section.criterion, section.seed), terminal)
    path = stem.with_name(f"{stem.name}-excitation.toml")
    save_experiment(found.best.experiment, robot, path, notes_of(section.criterion, section.seed, found))
    told(load_experiment(path, robot), robot, path, path.with_suffix(".png"), terminal)
    return path


def identify_from(launch: LaunchFile, recordings: Sequence[Path], output: Path, json_path: str | None) -> None:
    """`mpc identify`, on all cores, with its table and report."""
    assert launch.identify is not None
    request = IdentifyRequest(
        robot=launch.robot,
        logs=tuple(map(str, recordings)),
        validation=(),
        hold_out=0.0,
        method="auto",
        mapping=None,
        keep=(),
        fixed=launch.identify.fix,
        nominal=launch.control.parameters,
        window_s=None,
        threads=None,
        output=output,
        report=None,
        force=False,
        json=None,
    )
    # Its table is no part of a JSON summary on stdout.
    with contextlib.redirect_stdout(sys.stderr if json_path == TO_STDOUT else sys.stdout):
        identify_machine(request)
