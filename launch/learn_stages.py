"""Runs one after the other: fly, identify, learn what physics leaves over, fly again. Does a residual pay, and where?"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from launch.commands.learn import LearnRequest, learn_machine
from launch.commands.record import recording_path
from launch.errors import CommandError, ExitCode
from launch.launch_file import LaunchFile
from launch.live_line import Terminal
from launch.log_reading import LogOptions
from launch.output import TO_STDOUT, write_json
from launch.selection import robot_with
from launch.stages import Run, excitation_file, excited_launch, identify_from, sound
from mpc_controller.analysis.units import shown_quantity
from mpc_controller.learning.options import Family, LearnOptions
from mpc_controller.model.residual.residual_file import load_residual

# What is compared, and whether the estimator makes up for what the model lacks.
NOMINAL, IDENTIFIED, LEARNED = "nominal", "identified", "with residual"
WITHOUT, WITH = "ekf-without-disturbance", "ekf"

# Summaries by task, model and estimator.
Comparison: TypeAlias = dict[str, dict[str, dict[str, dict[str, Any]]]]


def learn_between(launch: LaunchFile, run: Run, json_path: str | None, terminal: Terminal) -> ExitCode:
    """Data with the parameters at hand, `mpc identify`, `mpc learn`, and the task with each model, with and without the
    estimator's disturbance; tasks beyond the data with the two models that were found.

    The task itself gives no data: flown with the parameters at hand, it validates. Every stage is an ordinary run with a
    recording of its own, and stops the others when it fails or is stopped.
    """
    assert launch.identify is not None
    assert launch.learn is not None
    robot = robot_with(launch.robot, launch.control.parameters, launch.sim.rate_hz)
    stem = recording_path(launch.record.folder, f"{launch.robot}-learned").with_suffix("")
    stem.parent.mkdir(parents=True, exist_ok=True)
    excitation = excitation_file(launch.identify, robot, stem, terminal)

    recordings: list[Path] = []
    for stage, label in _data(launch, excited_launch(launch, robot, excitation)):
        summary = sound(run(stage, label), terminal)
        if summary is None:
            return ExitCode.OK
        recordings.append(summary["recording"])
    runs: Comparison = {}
    for estimator in (WITHOUT, WITH):
        if not _compared(launch, run, runs, launch.task, NOMINAL, estimator, terminal):
            return ExitCode.OK
    parameters, residual = stem.with_suffix(".toml"), stem.with_name(f"{stem.name}-residual.npz")
    identify_from(launch, recordings, parameters, json_path)
    learn_from(launch, recordings, [runs[launch.task][NOMINAL][WITH]["recording"]], parameters, residual, json_path)
    identified = replace(launch, control=replace(launch.control, parameters=parameters))
    learned = replace(launch, control=replace(identified.control, residual=residual))
    for task in (launch.task, *launch.learn.beyond):
        for model, stage in ((IDENTIFIED, identified), (LEARNED, learned)):
            for estimator in (WITHOUT, WITH):
                if not _compared(stage, run, runs, task, model, estimator, terminal):
                    return ExitCode.OK
    terminal.say(format_learned(launch, runs))
    terminal.say(f"parameters: {parameters}")
    terminal.say(f"residual:   {residual}")
    write_json(json_path, {"runs": runs, "data": recordings, "parameters": parameters, "residual": residual})
    return ExitCode.OK


def _data(launch: LaunchFile, excited: LaunchFile) -> Iterator[tuple[LaunchFile, str]]:
    """Launches that give data, and what their recordings are named after."""
    assert launch.learn is not None
    yield excited, "excitation"
    for task in launch.learn.runs:
        yield _of(launch, task), f"{task}-data"


def _of(launch: LaunchFile, task: str) -> LaunchFile:
    """The launch with another task, which has a duration of its own."""
    return launch if task == launch.task else replace(launch, task=task, duration_s=None)


def _compared(
    launch: LaunchFile, run: Run, runs: Comparison, task: str, model: str, estimator: str, terminal: Terminal
) -> bool:
    """Runs the task; False where it was stopped."""
    stage = replace(_of(launch, task), control=replace(launch.control, estimator=estimator))
    label = "-".join((task, *model.split(), *(("alone",) if estimator == WITHOUT else ())))
    summary = sound(run(stage, label), terminal)
    if summary is None:
        return False
    runs.setdefault(task, {}).setdefault(model, {})[estimator] = summary
    return True


def format_learned(launch: LaunchFile, runs: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> str:
    """Tracking errors of every model, and how much the residual takes off them."""
    name = next(iter(runs[launch.task][NOMINAL][WITH]["tracking_rmse"]))
    quantity, unit, scale = shown_quantity(name)
    lines = [f"{launch.robot} · {quantity} error, RMSE", f"  {'':<26}{'without':>16}{'with':>16}   disturbance estimate"]
    for task, models in runs.items():
        lines.append(f"  {task}" + ("" if task == launch.task else ", beyond the data"))
        errors = {m: {e: scale * summary["tracking_rmse"][name] for e, summary in by.items()} for m, by in models.items()}
        for model, by in errors.items():
            gained = f"   {_change(by[WITH], by[WITHOUT])} by the estimate"
            lines.append(f"    {model:<24}" + "".join(f"{f'{by[e]:.3g} {unit}':>16}" for e in (WITHOUT, WITH)) + gained)
        for model in (m for m in (NOMINAL, IDENTIFIED) if m in errors):
            changes = "".join(f"{_change(errors[LEARNED][e], errors[model][e]):>16}" for e in (WITHOUT, WITH))
            lines.append(f"    {f'residual, by {model}':<24}{changes}")
    return "\n".join(lines)


def _change(new: float, old: float) -> str:
    return f"{100 * (new / old - 1):+.0f} %"


def learn_from(
    launch: LaunchFile, recordings: list[Path], validation: list[Path], parameters: Path, residual: Path, json_path: str | None
) -> None:
    """`mpc learn`, with its table and report. All outputs of the residual are kept, and the validation judges them together:
    each recording covers what the others do not, so none could be left out to choose. CommandError where it finds no gain."""
    assert launch.learn is not None
    section = launch.learn
    request = LearnRequest(
        robot=launch.robot,
        logs=tuple(map(str, recordings)),
        validation=tuple(map(str, validation)),
        hold_out=0.0,
        options=LearnOptions(family=Family(section.family), epochs=section.epochs, folds=0, seed=section.seed),
        network=None,
        parameters=parameters,
        reading=LogOptions(),
        output=residual,
        report=None,
        force=False,
        json=None,
    )
    # Its table is no part of a JSON summary on stdout.
    with contextlib.redirect_stdout(sys.stderr if json_path == TO_STDOUT else sys.stdout):
        learn_machine(request)
    if not load_residual(residual).accepted:
        raise CommandError(
            f"{residual}: no better than physics alone where it was judged; its report says why", ExitCode.RUN_FAILED
        )
