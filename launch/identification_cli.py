"""The commands about the parameters of a model. As in cli.py, what one needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from launch.bounds import SEED
from launch.options import (
    DURATION,
    FILE,
    INPUT_FILE,
    MARGIN,
    RATE,
    SHARE,
    GreedyCommand,
    duration_option,
    endpoint_option,
    json_option,
    priority_option,
)

# As in mpc_controller.identification.identify, which is slow to import, and that of launch.commands.identify.
_METHODS = ("auto", "least-squares", "output-error", "inertial")
_CRITERIA = ("D", "condition")  # as in mpc_controller.identification.excitation.design, likewise


@click.command()
@click.argument("robot")
@click.option(
    "--parameter", "names", multiple=True, metavar="NAME", help="Learn this one; repeatable. [default: all uncertain]"
)
@click.option("--rate", type=RATE, default=2.0, show_default=True, metavar="HZ", help="Updates per second, at most.")
@click.option("--plant-rate", type=RATE, metavar="HZ", help="Rate of the plant, where it is not the robot's own.")
@endpoint_option
@click.option("--parameters", type=INPUT_FILE, metavar="FILE", help="Start from these, as the controller does.")
@click.option("--output", type=FILE, metavar="FILE", help="Save what was learned, for `mpc control --parameters`.")
@click.option("--force", is_flag=True, help="Replace the --output file.")
@duration_option
@json_option
def adapt(
    robot: str,
    names: tuple[str, ...],
    rate: float,
    plant_rate: float | None,
    endpoint: str | None,
    parameters: Path | None,
    output: Path | None,
    force: bool,
    duration: float | None,
    json: str | None,
) -> int:
    """Learn parameters of ROBOT while it is controlled, and tell its controller.

    It hears the plant, and moves what the controller plans with in small steps, once the data say enough. It stops at Ctrl-C.

    \b
      mpc adapt quadrotor --parameter mass
      mpc adapt arm --parameter payload_mass --output learned.toml
    """
    from launch.commands.adapt import AdaptRequest
    from launch.commands.adapt import adapt as run

    return run(AdaptRequest(robot, names, rate, plant_rate, endpoint, parameters, output, force, duration, json))


@click.command(cls=GreedyCommand, greedy=("--validate",))
@click.argument("robot")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("--validate", multiple=True, metavar="LOG...", help="Judge the result by these, which are not fitted to.")
@click.option("--hold-out", type=SHARE, default=0.0, metavar="SHARE", help="Keep this last part of every log for validation.")
@click.option("--method", type=click.Choice(_METHODS), default="auto", show_default=True, help="How to fit.")
@click.option("--mapping", type=INPUT_FILE, metavar="FILE", help="Columns of the signals. [default: the machine's own]")
@click.option(
    "--keep",
    multiple=True,
    metavar="CONDITION",
    help="Use only samples with it, such as 'position_z > 0.1'; repeatable. [default: what the robot's model needs]",
)
@click.option("--fix", multiple=True, metavar="NAME", help="Do not fit this parameter; repeatable.")
@click.option("--nominal", type=INPUT_FILE, metavar="FILE", help="Start from these parameters. [default: the machine's own]")
@click.option("--window", type=DURATION, metavar="S", help="Length of the windows that are predicted. [default: the horizon]")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Cores to use. [default: all]")
@click.option("--output", type=FILE, metavar="FILE", help="The parameters. [default: ROBOT-identified.toml]")
@click.option("--report", type=FILE, metavar="FILE", help="The report, HTML. [default: beside the parameters]")
@click.option("--export", type=FILE, metavar="FILE", help="Write the robot's MJCF with what was found, too.")
@click.option("--margin", type=MARGIN, default=0.0, metavar="S", help="Leave out so much beside what --keep leaves out, too.")
@click.option(
    "--starts", type=click.IntRange(1, 1024), default=1, metavar="N", help="Fit from N first guesses; the best counts."
)
@click.option(
    "--bootstrap", type=click.IntRange(min=10), default=None, metavar="N", help="Intervals from N fits on drawn windows."
)
@click.option("--cross-validate", is_flag=True, help="Predict every log by a fit to the others, too.")
@click.option("--ray", metavar="ADDRESS", help="Do these on a Ray cluster; local: on one started here. [default: this machine]")
@click.option("--force", is_flag=True, help="Replace these files where they exist.")
@json_option
def identify(
    robot: str,
    logs: tuple[str, ...],
    validate: tuple[str, ...],
    hold_out: float,
    method: str,
    mapping: Path | None,
    keep: tuple[str, ...],
    fix: tuple[str, ...],
    nominal: Path | None,
    window: float | None,
    threads: int | None,
    output: Path | None,
    report: Path | None,
    export: Path | None,
    margin: float,
    starts: int,
    bootstrap: int | None,
    cross_validate: bool,
    ray: str | None,
    force: bool,
    json: str | None,
) -> int:
    """Find the parameters of ROBOT in its LOGs.

    Logs are recordings of `mpc record` and `mpc launch`, or CSV, NPZ and MAT files whose columns a mapping names. The table
    tells nominal values, estimates with 95 % intervals, and what the data do not see. The parameters go into a file that
    `mpc control` loads, with where they come from; the report shows how well they predict.

    The method inertial finds mass, centre and inertia of all bodies of an arm, friction and armature of its joints, from its
    torques, near what its MJCF says; they go into a file of their own, and into an MJCF for `mpc sim --mjcf`.

    \b
      mpc identify quadrotor flight1.mcap flight2.mcap --validate flight3.mcap
      mpc identify emps DATA_EMPS.mat --hold-out 0.3 --output emps.toml
      mpc identify arm run1.mcap --validate run2.mcap --method inertial --export identified.xml
    """
    from launch.commands.identify import IdentifyRequest, identify_machine

    return identify_machine(
        IdentifyRequest(
            robot, logs, validate, hold_out, method, mapping, keep, fix, nominal, window, threads, output, report, force, json,
            export, starts, bootstrap or 0, cross_validate, ray, margin,
        )
    )  # fmt: skip


@click.command()
@click.argument("robot")
@click.option("--parameters", type=INPUT_FILE, required=True, metavar="FILE", help="What `mpc identify` or `mpc adapt` found.")
@click.option("--mjcf", type=FILE, metavar="FILE", help="The MJCF to write. [default, without --urdf: ROBOT-identified.xml]")
@click.option("--urdf", type=FILE, metavar="FILE", help="The URDF to write; it needs --source.")
@click.option("--source", type=INPUT_FILE, metavar="FILE", help="The URDF to start from, with names and frames as in the MJCF.")
@click.option("--force", is_flag=True, help="Replace these files where they exist.")
def export(robot: str, parameters: Path, mjcf: Path | None, urdf: Path | None, source: Path | None, force: bool) -> int:
    """Write ROBOT's model file with identified parameters, for the simulator.

    It is the robot's MJCF with other masses, inertias, frictions and actuator gains; every other byte stays. The robots here
    come as MJCF only, so a URDF needs one to start from.

    \b
      mpc export arm --parameters arm-identified.toml --mjcf identified.xml
      mpc sim arm --mjcf identified.xml
    """
    from launch.commands.export import ExportRequest
    from launch.commands.export import export as run

    return run(ExportRequest(robot, parameters, mjcf, urdf, source, force))


@click.command()
@click.argument("robot")
@click.option("--duration", type=DURATION, metavar="S", help="Of the signals. [default: the robot's own]")
@click.option(
    "--criterion",
    type=click.Choice(_CRITERIA),
    default="D",
    show_default=True,
    help="D: all intervals together small; condition: the worst not much larger than the best.",
)
@click.option("--seed", type=click.IntRange(*SEED), default=0, show_default=True, metavar="N", help="Of the search.")
@click.option("--evaluations", type=click.IntRange(1, 100_000), metavar="N", help="How many experiments are tried.")
@click.option("--given", type=INPUT_FILE, metavar="FILE", help="Take this excitation instead of designing one.")
@click.option("--parameters", type=INPUT_FILE, metavar="FILE", help="Model parameters. [default: the robot's own]")
@click.option("--output", type=FILE, metavar="FILE", help="The excitation. [default: ROBOT-excitation.toml]")
@click.option("--picture", type=FILE, metavar="FILE", help="The picture. [default: beside the excitation]")
@click.option("--force", is_flag=True, help="Replace these files where they exist.")
@click.option("--run", is_flag=True, help="Run it on the plant at --endpoint, and record it.")
@endpoint_option
@click.option("--record", type=FILE, metavar="FILE", help="The recording. [default: a new one in runs/]")
@priority_option
@json_option
def excite(
    robot: str,
    duration: float | None,
    criterion: str,
    seed: int,
    evaluations: int | None,
    given: Path | None,
    parameters: Path | None,
    output: Path | None,
    picture: Path | None,
    force: bool,
    run: bool,
    endpoint: str | None,
    record: Path | None,
    priority: int,
    json: str | None,
) -> int:
    """Design an experiment that shows the parameters of ROBOT.

    Signals for what its tasks follow are searched for, within its limits, such that the parameters of its model are seen best;
    a table tells how well, beside the default task. With --run a controller moves the robot so, and the recording is for
    `mpc identify`.

    \b
      mpc excite quadrotor --output excitation.toml
      mpc excite cartpole --run                        with `mpc sim cartpole` in another terminal
      mpc control quadrotor --excitation excitation.toml
    """
    from launch.commands.excite import ExciteRequest
    from launch.commands.excite import excite as design

    return design(
        ExciteRequest(
            robot, given, duration, criterion, seed, evaluations, parameters, output, picture, force, run, endpoint, record,
            priority, json,
        )
    )  # fmt: skip
