"""The command `mpc`. What a sub-command needs is imported when it runs, so that `mpc --help` answers at once."""

from __future__ import annotations

import io
import math
import os
import sys
from pathlib import Path
from typing import Any, NoReturn, final

import click

_ESTIMATORS = ("ekf", "passthrough")  # as in mpc_controller.control.estimators, which is slow to import


@final
class PositiveNumber(click.ParamType[float]):
    """A finite number above 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            self.fail(f"'{value}' is not a finite number above 0", param, ctx)
        return number


_POSITIVE = PositiveNumber()
_FILE = click.Path(path_type=Path)
_INPUT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)

_endpoint = click.option(
    "--endpoint", metavar="ADDRESS", help="Where the robot's bus is: ipc:///absolute/path or tcp://127.0.0.1:PORT (PORT+1 too)."
)
_json = click.option("--json", metavar="FILE", help="Write a summary as JSON; - writes it to stdout.")
_task = click.option("--task", metavar="NAME", help="What to do; `mpc robots` lists tasks. [default: the robot's own]")
_solver = click.option("--solver", metavar="NAME", help="How to plan. [default: the task's own]")
_duration = click.option("--duration", type=_POSITIVE, metavar="S", help="End after so many seconds.")
_parameters = click.option(
    "--parameters", type=_INPUT_FILE, metavar="FILE", help="Model parameters, as robots/NAME/parameters.toml."
)
_estimator = click.option("--estimator", type=click.Choice(_ESTIMATORS), help="What tells the state. [default: ekf]")
_priority = click.option(
    "--priority",
    type=click.IntRange(0, 98),
    metavar="N",
    default=40,
    show_default=True,
    help="SCHED_FIFO priority of the loop where the system permits it; 0: ordinary scheduling.",
)
_plant_rate = click.option(
    "--plant-rate", type=_POSITIVE, metavar="HZ", help="Rate of the plant, where it is not the robot's own."
)


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

    Exit codes: 0 all went well; 1 the run failed (a process died, a plan differed); 2 bad input (a file, a name, an option);
    3 the machine or its surroundings (no compiler, an endpoint in use, no plant). Errors are one line on stderr.
    """
    if debug:
        os.environ["MPC_DEBUG"] = "1"
    if parent is not None:
        from launch.child import follow_parent

        follow_parent(parent)


@mpc.command()
@click.argument("file", type=_INPUT_FILE)
@click.option("--headless", is_flag=True, help="No viewer, even where there is a display.")
@_json
@_duration
@_task
@_solver
@click.option("--rate", type=_POSITIVE, metavar="HZ", help="Plans per second. [default: the file's, else the robot's]")
@_endpoint
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
    """Run what a launch FILE names: simulator, controller and recorder, each in its own process.

    The file is checked in full before anything starts. At the end come a table, the recording and a picture of it. Ctrl-C ends
    the run early, in good order. The run has an address of its own, which it prints: `mpc estop quadrotor --endpoint ADDRESS`.

    \b
      mpc launch launch/quadrotor.toml
      mpc launch launch/cartpole.toml --headless --duration 5 --json out.json
    """
    from launch.commands.launch import LaunchRequest, launch_run

    return launch_run(LaunchRequest(file, headless, json, duration, task, solver, rate, endpoint))


@mpc.command()
@click.argument("robot")
@click.option("--task", metavar="NAME", help="Start in this task's initial state. [default: the robot's own task]")
@_endpoint
@click.option("--rate", type=_POSITIVE, metavar="HZ", help="Rate of observations and commands. [default: the robot's own]")
@click.option("--control-rate", type=_POSITIVE, metavar="HZ", help="Rate of plans to expect. [default: the robot's own]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the sensor noise.")
@click.option("--lock-step", is_flag=True, help="Wait for every plan: not real time, and the same each time.")
@click.option(
    "--truth", type=_INPUT_FILE, metavar="FILE", help="Differ from the model as [sim.truth] of this launch file says."
)
@_priority
@click.option("--peers", type=click.IntRange(min=0), default=0, hidden=True, help="How many to wait for; for `mpc launch`.")
@_duration
@_json
def sim(
    robot: str,
    task: str | None,
    endpoint: str | None,
    rate: float | None,
    control_rate: float | None,
    seed: int,
    lock_step: bool,
    truth: Path | None,
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
    """
    from launch.commands.sim import SimRequest, simulate

    return simulate(
        SimRequest(robot, task, endpoint, rate, control_rate, seed, lock_step, priority, peers, truth, duration, json)
    )


@mpc.command()
@click.argument("robot")
@_task
@_solver
@click.option("--rate", type=_POSITIVE, metavar="HZ", help="Plans per second. [default: the robot's own]")
@_plant_rate
@_endpoint
@_parameters
@_estimator
@_priority
@click.option(
    "--wait", type=_POSITIVE, default=5.0, show_default=True, metavar="S", help="How long a plant may take to answer."
)
@_duration
@_json
def control(
    robot: str,
    task: str | None,
    solver: str | None,
    rate: float | None,
    plant_rate: float | None,
    endpoint: str | None,
    parameters: Path | None,
    estimator: str | None,
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
            robot, task, solver, rate, plant_rate, endpoint, parameters, estimator or "ekf", wait, priority, duration, json
        )
    )


@mpc.command()
@click.argument("robot", required=False)
@_endpoint
@click.option("--output", type=_FILE, metavar="FILE", help="The recording. [default: runs/ROBOT-DATE-TIME.mcap]")
@_json
def record(robot: str | None, endpoint: str | None, output: Path | None, json: str | None) -> int:
    """Record all that is said on ROBOT's bus into an MCAP file, until Ctrl-C.

    Foxglove opens the file; so do `mpc plot` and `mpc replay`.

    \b
      mpc record quadrotor --output flight.mcap
    """
    from launch.commands.record import RecordRequest, record_run

    return record_run(RecordRequest(robot, endpoint, output, json))


@mpc.command()
@click.argument("recording", type=_INPUT_FILE)
@click.option("--output", type=_FILE, metavar="PNG", help="The picture. [default: beside the recording]")
@_json
def plot(recording: Path, output: Path | None, json: str | None) -> int:
    """Show a RECORDING as a table and a picture: path, errors, controls with their limits, solve times.

    \b
      mpc plot runs/quadrotor-figure-eight-20260101-120000.mcap --output flight.png
    """
    from launch.commands.plot import plot as run

    return run(recording, output, json)


@mpc.command()
@click.argument("recording", type=_INPUT_FILE)
@click.option("--rate", type=_POSITIVE, metavar="HZ", help="Plans per second. [default: as recorded]")
@_plant_rate
@_parameters
@_estimator
@_json
def replay(
    recording: Path,
    rate: float | None,
    plant_rate: float | None,
    parameters: Path | None,
    estimator: str | None,
    json: str | None,
) -> int:
    """Feed the observations of a RECORDING to the controller again and compare its plans with the recorded ones.

    On the machine that made the recording they are identical to the last bit; exit code 1 when one is not.

    \b
      mpc replay runs/quadrotor-figure-eight-20260101-120000.mcap
    """
    from launch.commands.replay import ReplayRequest
    from launch.commands.replay import replay as run

    return run(ReplayRequest(recording, rate, plant_rate, parameters, estimator, json))


@mpc.command()
@click.argument("robot")
@_endpoint
def view(robot: str, endpoint: str | None) -> int:
    """Open a window on the simulation of ROBOT. Needs a display; close it when you like.

    \b
      mpc view quadrotor
    """
    from launch.commands.view import view_robot

    return view_robot(robot, endpoint)


@mpc.command()
@_json
def robots(json: str | None) -> int:
    """List the robots and their tasks."""
    from launch.commands.robots import list_robots

    return list_robots(json)


@mpc.command()
@_json
def doctor(json: str | None) -> int:
    """Look at this machine: compiler, real-time permissions, timers, versions, folders, and what to do about each.

    Exit code 3 when something is missing without which nothing runs. Takes about three seconds.
    """
    from launch.doctor import examine

    return examine(json)


@mpc.command()
@click.argument("robot")
@click.option("--clear", is_flag=True, help="Release a stopped robot instead.")
@_endpoint
def estop(robot: str, clear: bool, endpoint: str | None) -> int:
    """Stop ROBOT now. It stays stopped, whatever plans come, until --clear.

    \b
      mpc estop quadrotor
      mpc estop quadrotor --clear
    """
    from launch.commands.estop import emergency_stop

    return emergency_stop(robot, endpoint, clear)


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
        message, code = "interrupted", 1
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
