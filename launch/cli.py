"""The command `mpc`. What a sub-command needs is imported when it runs, so that `mpc --help` answers at once."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from launch.bench_cli import bench
from launch.bounds import SEED
from launch.options import (
    DURATION,
    FILE,
    HOW_TO_PLAN,
    INPUT_FILE,
    MARGIN,
    RATE,
    SHARE,
    GreedyCommand,
    duration_option,
    endpoint_option,
    excitation_option,
    json_option,
    priority_option,
    solver_option,
    task_option,
)

# As in mpc_controller.identification.identify, likewise, and that of launch.commands.identify.
_METHODS = ("auto", "least-squares", "output-error", "inertial")
_ESTIMATORS = ("ekf", "passthrough")  # as in mpc_controller.control.estimators, which is slow to import
_CRITERIA = ("D", "condition")  # as in mpc_controller.identification.excitation.design, likewise


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="mpc_controller", prog_name="mpc")
@click.option("--debug", is_flag=True, help="Show a traceback with errors.")
@click.option("--parent", type=int, hidden=True, help="Stop when this process does; for `mpc launch`.")
def mpc(debug: bool, parent: int | None) -> None:
    """Model-predictive control for robots.

    \b
      mpc launch launch/quadrotor.toml    simulator, controller and recorder at once
      mpc sim quadrotor                   or each in a terminal of its own
      mpc control quadrotor
      mpc record quadrotor
      mpc identify quadrotor runs/FLIGHT.mcap    its parameters, from a recording

    \b
    Exit codes; errors are one line on stderr:
      0  all went well, or you stopped it
      1  the run failed: a process died, a plan differed
      2  bad input: a file, a name, an option
      3  the machine or its surroundings: no compiler, an endpoint in use, no plant
    """
    if debug:
        os.environ["MPC_DEBUG"] = "1"
    if parent is not None:
        from launch.child import follow_parent

        follow_parent(parent)


@mpc.command()
@click.argument("file", type=INPUT_FILE)
@click.option("--headless", is_flag=True, help="No viewer, even where there is a display.")
@json_option
@click.option(
    "--duration", type=DURATION, metavar="S", help="End after so many seconds. [default: the file's, else the task's]"
)
@click.option("--task", metavar="NAME", help="What to do; `mpc robots` lists tasks. [default: the file's, else the robot's]")
@click.option("--solver", metavar="NAME", help=f"{HOW_TO_PLAN} [default: the file's, else the task's]")
@click.option("--rate", type=RATE, metavar="HZ", help="Plans per second. [default: the file's, else the robot's]")
@endpoint_option
def launch(
    file: Path,
    headless: bool,
    json: str | None,
    duration: float | None,
    task: str | None,
    solver: str | None,
    rate: float | None,
    endpoint: str | None,
) -> int:
    """Run what a launch FILE names.

    Simulator, controller and recorder start, each in its own process, and the viewer where there is a display. The file is
    checked in full before anything starts; README.md lists its keys. At the end come a table, the recording and a picture of
    it. Ctrl-C ends the run early, in good order. The run has an address of its own, which it prints, for
    `mpc estop quadrotor --endpoint ADDRESS` and the like.

    \b
      mpc launch launch/quadrotor.toml
      mpc launch launch/cartpole.toml --headless --duration 5 --json out.json
    """
    from launch.commands.launch import LaunchRequest, launch_run

    return launch_run(LaunchRequest(file, headless, json, duration, task, solver, rate, endpoint))


@mpc.command()
@click.argument("robot")
@click.option("--task", metavar="NAME", help="Start in this task's initial state. [default: the robot's own task]")
@endpoint_option
@click.option("--rate", type=RATE, metavar="HZ", help="Rate of observations and commands. [default: the robot's own]")
@click.option("--control-rate", type=RATE, metavar="HZ", help="Rate of plans to expect. [default: the robot's own]")
@click.option("--seed", type=click.IntRange(*SEED), default=0, show_default=True, metavar="N", help="Of the sensor noise.")
@click.option("--lock-step", is_flag=True, help="Wait for every plan: not real time, and the same each time.")
@click.option("--truth", type=INPUT_FILE, metavar="FILE", help="Differ from the model as [sim.truth] of this launch file says.")
@click.option(
    "--mjcf", type=INPUT_FILE, metavar="FILE", help="Simulate this file, such as one of `mpc export`. [default: its own]"
)
@priority_option
@click.option("--peers", type=click.IntRange(min=0), default=0, hidden=True, help="How many to wait for; for `mpc launch`.")
@duration_option
@json_option
def sim(
    robot: str,
    task: str | None,
    endpoint: str | None,
    rate: float | None,
    control_rate: float | None,
    seed: int,
    lock_step: bool,
    truth: Path | None,
    mjcf: Path | None,
    priority: int,
    peers: int,
    duration: float | None,
    json: str | None,
) -> int:
    """Simulate ROBOT with MuJoCo and follow the plans that come.

    Without plans the robot holds still. It stops at Ctrl-C. `mpc view` opens a window on it.

    \b
      mpc sim quadrotor
      mpc sim quadrotor --truth launch/quadrotor.toml
      mpc sim arm --mjcf identified.xml
    """
    from launch.commands.sim import SimRequest, simulate

    return simulate(
        SimRequest(robot, task, endpoint, rate, control_rate, seed, lock_step, priority, peers, truth, duration, json, mjcf)
    )


@mpc.command()
@click.argument("robot")
@task_option
@solver_option
@click.option("--rate", type=RATE, metavar="HZ", help="Plans per second. [default: the robot's own]")
@click.option("--plant-rate", type=RATE, metavar="HZ", help="Rate of the plant, where it is not the robot's own.")
@endpoint_option
@click.option("--parameters", type=INPUT_FILE, metavar="FILE", help="Model parameters, as robots/NAME/parameters.toml.")
@excitation_option
@click.option("--estimator", type=click.Choice(_ESTIMATORS), default="ekf", show_default=True, help="What tells the state.")
@priority_option
@click.option("--wait", type=DURATION, default=5.0, show_default=True, metavar="S", help="How long a plant may take to answer.")
@duration_option
@json_option
def control(
    robot: str,
    task: str | None,
    solver: str | None,
    rate: float | None,
    plant_rate: float | None,
    endpoint: str | None,
    parameters: Path | None,
    excitation: Path | None,
    estimator: str,
    priority: int,
    wait: float,
    duration: float | None,
    json: str | None,
) -> int:
    """Control ROBOT: plan for every observation of its plant.

    The first start of a task compiles its solver, which takes some seconds; after that it is kept. It stops at Ctrl-C.

    \b
      mpc control quadrotor --task figure-eight
      mpc control arm --rate 50 --parameters identified.toml
    """
    from launch.commands.control import ControlRequest
    from launch.commands.control import control as run

    return run(
        ControlRequest(
            robot, task, solver, rate, plant_rate, endpoint, parameters, estimator, wait, priority, duration, json, excitation
        )
    )


@mpc.command()
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


@mpc.command(cls=GreedyCommand, greedy=("--validate",))
@click.argument("robot")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("--validate", multiple=True, metavar="LOG...", help="Judge the result by these, which are not fitted to.")
@click.option("--hold-out", type=SHARE, default=0.0, metavar="SHARE", help="Keep this last part of every log for validation.")
@click.option("--method", type=click.Choice(_METHODS), default="auto", show_default=True, help="How to fit.")
@click.option("--mapping", type=INPUT_FILE, metavar="FILE", help="Columns of the signals. [default: the machine's own]")
@click.option("--keep", multiple=True, metavar="CONDITION", help="Use only samples with it, such as 'position_z > 0.1'.")
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


@mpc.command()
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


@mpc.command()
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


@mpc.command()
@click.argument("robot", required=False)
@endpoint_option
@click.option("--output", type=FILE, metavar="FILE", help="The recording. [default: a new one in runs/]")
@json_option
def record(robot: str | None, endpoint: str | None, output: Path | None, json: str | None) -> int:
    """Record all that is said on ROBOT's bus.

    It goes into an MCAP file, until Ctrl-C. Foxglove opens the file; so do `mpc plot` and `mpc replay`.

    \b
      mpc record quadrotor --output flight.mcap
    """
    from launch.commands.record import RecordRequest, record_run

    return record_run(RecordRequest(robot, endpoint, output, json))


@mpc.command()
@click.argument("recording", type=INPUT_FILE)
@click.option("--output", type=FILE, metavar="FILE", help="The picture: .png, .pdf or .svg. [default: beside the recording]")
@json_option
def plot(recording: Path, output: Path | None, json: str | None) -> int:
    """Show a RECORDING as a table and a picture.

    The picture has the flown and the wanted path, errors, controls with their limits, and solve times.

    \b
      mpc plot flight.mcap --output flight.png
    """
    from launch.commands.plot import plot as run

    return run(recording, output, json)


@mpc.command()
@click.argument("recording", type=INPUT_FILE)
@click.option("--plant-rate", type=RATE, metavar="HZ", help="Rate of the plant. [default: as recorded]")
@click.option("--parameters", type=INPUT_FILE, metavar="FILE", help="Model parameters. [default: as recorded]")
@click.option("--estimator", type=click.Choice(_ESTIMATORS), help="What tells the state. [default: as recorded]")
@excitation_option
@json_option
def replay(
    recording: Path,
    plant_rate: float | None,
    parameters: Path | None,
    estimator: str | None,
    excitation: Path | None,
    json: str | None,
) -> int:
    """Plan a RECORDING again and compare.

    The controller gets the recorded observations; its plans are compared with the recorded ones. On the machine that made the
    recording they are identical to the last bit; exit code 1 when one is not.

    \b
      mpc replay flight.mcap
    """
    from launch.commands.replay import ReplayRequest
    from launch.commands.replay import replay as run

    return run(ReplayRequest(recording, plant_rate, parameters, estimator, json, excitation))


@mpc.command()
@click.argument("robot")
@endpoint_option
def view(robot: str, endpoint: str | None) -> int:
    """Open a window on the simulation of ROBOT. Needs a display; close it when you like.

    \b
      mpc view quadrotor
    """
    from launch.commands.view import view_robot

    return view_robot(robot, endpoint)


@mpc.command()
@json_option
def robots(json: str | None) -> int:
    """List the robots and their tasks."""
    from launch.commands.robots import list_robots

    return list_robots(json)


@mpc.command()
@json_option
def doctor(json: str | None) -> int:
    """Tell what this machine has and lacks.

    Compiler, real-time permissions, timers, versions and folders, and what to do about each. Exit code 3 when something is
    missing without which nothing runs. Takes about three seconds.
    """
    from launch.doctor import examine

    return examine(json)


@mpc.command()
@click.argument("robot")
@click.option("--clear", is_flag=True, help="Release a stopped robot instead.")
@endpoint_option
def estop(robot: str, clear: bool, endpoint: str | None) -> int:
    """Stop ROBOT now. It stays stopped, whatever plans come, until --clear.

    Whatever plant is at the address is stopped, and named; --clear releases only the robot that you name. After --clear a
    controller that is running takes over at once.

    \b
      mpc estop quadrotor
      mpc estop quadrotor --clear
    """
    from launch.commands.estop import emergency_stop

    return emergency_stop(robot, endpoint, clear)


mpc.add_command(bench)


def main() -> NoReturn:
    """Run the command line and exit: an error is one line on stderr and an exit code."""
    # Small matrices only: BLAS threads would take the processor from the loops beside them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # µ and … on a terminal that has none
    try:
        sys.exit(mpc.main(prog_name="mpc", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        message, code = error.format_message(), error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        from launch.errors import ExitCode, exit_code_of

        if os.environ.get("MPC_DEBUG"):
            raise
        known = exit_code_of(error)
        first_line = str(error).partition("\n")[0]
        unknown = f"{type(error).__name__}: {first_line} (a mistake in the program; `mpc --debug ...` shows where)"
        message, code = (unknown, ExitCode.RUN_FAILED) if known is None else (str(error), known)
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
