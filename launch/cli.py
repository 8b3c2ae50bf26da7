"""The command `mpc`. What a sub-command needs is imported when it runs, so that `mpc --help` answers at once."""

from __future__ import annotations

from launch.start_signals import has_come, interruptible, leave, say_interrupted  # before what takes time

# isort: split
import contextlib
import io
import os
import sys
from typing import Any, NoReturn

import click

from launch.bench_cli import bench
from launch.chaos_cli import chaos
from launch.identification_cli import adapt, excite, export, identify
from launch.keys_cli import keys
from launch.learning_cli import learn, residual
from launch.options import json_option
from launch.recording_cli import plot, record, replay
from launch.running_cli import arm, control, drive, estop, launch, sim, status, view


class _InterruptedError(Exception):
    """Ctrl-C, past click, which would print an empty line."""


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _InterruptedError from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
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
      mpc drive quadrotor PX4.toml        instead of `mpc sim`: the real robot,
      mpc arm quadrotor                   which controllers lead once you say so
      mpc identify quadrotor runs/FLIGHT.mcap    its parameters, from a recording

    \b
    Exit codes; errors are one line on stderr:
      0  all went well, or you stopped it
      1  the run failed: a process died, a plan differed
      2  bad input: a file, a name, an option; a recording that lacks something
      3  the machine or its surroundings: no compiler, an endpoint in use, no plant
    """
    if debug:
        os.environ["MPC_DEBUG"] = "1"
    if parent is not None:
        from launch.child import follow_parent

        follow_parent(parent)


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


for command in (
    launch,
    sim,
    drive,
    arm,
    control,
    view,
    estop,
    status,
    record,
    plot,
    replay,
    identify,
    learn,
    residual,
    adapt,
    export,
    excite,
    bench,
    keys,
    chaos,
):
    mpc.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit: an error is one line on stderr and an exit code."""
    # Small matrices only: BLAS threads would take the processor from the loops beside them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # µ and … on a terminal that has none
    with interruptible():
        try:
            code = _run()
        except KeyboardInterrupt:
            say_interrupted()
            code = 0
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    leave(code)
    sys.exit(code)


def _run() -> int:
    """The exit code; tells what went wrong. One that was stopped did as it was told."""
    try:
        return int(mpc.main(prog_name="mpc", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except click.ClickException as error:
        message, code = error.format_message(), error.exit_code
    except (KeyboardInterrupt, click.Abort, _InterruptedError):
        say_interrupted()
        return 0
    except Exception as error:
        if has_come():  # an import that a signal broke
            say_interrupted()
            return 0
        from launch.errors import ExitCode, exit_code_of

        if os.environ.get("MPC_DEBUG"):
            raise
        known = exit_code_of(error)
        first_line = str(error).partition("\n")[0]
        unknown = f"{type(error).__name__}: {first_line} (a mistake in the program; `mpc --debug ...` shows where)"
        message, code = (unknown, ExitCode.RUN_FAILED) if known is None else (str(error), known)
    print(f"error: {message}", file=sys.stderr)
    return int(code)


if __name__ == "__main__":
    main()
