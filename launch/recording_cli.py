"""The commands that make recordings and read them. As in cli.py, what one needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from launch.options import ESTIMATOR_NAMES, FILE, INPUT_FILE, RATE, endpoint_option, excitation_option, json_option


@click.command()
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


@click.command()
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


@click.command()
@click.argument("recording", type=INPUT_FILE)
@click.option("--plant-rate", type=RATE, metavar="HZ", help="Rate of the plant. [default: as recorded]")
@click.option("--parameters", type=INPUT_FILE, metavar="FILE", help="Model parameters. [default: as recorded]")
@click.option("--estimator", type=click.Choice(ESTIMATOR_NAMES), help="What tells the state. [default: as recorded]")
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
    recording they are identical to the last bit; exit code 1 when one is not. What came after messages that the recorder missed
    cannot be compared; exit code 2 then.

    \b
      mpc replay flight.mcap
    """
    from launch.commands.replay import ReplayRequest
    from launch.commands.replay import replay as run

    return run(ReplayRequest(recording, plant_rate, parameters, estimator, json, excitation))
