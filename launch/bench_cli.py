"""The commands `mpc bench …`. As in cli.py, what one needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from launch.options import json_option

# launch.bench.pages.measurements.PARTS, which is slow to import.
_PARTS = ("solvers", "convergence", "phases", "flops", "builds", "launches", "identification")

_data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Recordings: emps/DATA_EMPS.mat, free_swing_pendulums/Single….mat. [default: only what is simulated]",
)


@click.group()
def bench() -> None:
    """Measure what things cost on this machine."""


@bench.command()
@click.option("--problem", "problems", multiple=True, metavar="NAME", help="Only this one; may be repeated. [default: all]")
@click.option("--solver", "solvers", multiple=True, metavar="NAME", help="Only this one; may be repeated. [default: all]")
@click.option("--quick", is_flag=True, help="A few steps of everything, to see that it runs. The figures mean little.")
@click.option("--crocoddyl", metavar="PYTHON", help="A Python that has Crocoddyl. [default: this one]")
@click.option("--compare-builds", is_flag=True, help="Compare compilers, and portable builds with native ones, instead.")
@click.option("--flops", is_flag=True, help="Count floating-point operations and compare with the core's peak, instead.")
@json_option
def solvers(
    problems: tuple[str, ...],
    solvers: tuple[str, ...],
    quick: bool,
    crocoddyl: str | None,
    compare_builds: bool,
    flops: bool,
    json: str | None,
) -> int:
    """Solve the reference problems with every solver.

    Real-time iterations and solves to convergence, cold and in closed loops, beside IPOPT, FATROP and, where it is installed,
    Crocoddyl; for acados, recorded times are scaled by these. Times are whole calls from Python, on one core. All of it takes
    about a quarter of an hour. The JSON is a list of rows.

    \b
      mpc bench solvers --problem quadrotor --solver multiple-shooting
      mpc bench solvers --json bench.json --crocoddyl .venv-crocoddyl/bin/python
    """
    from launch.commands.bench import SolversRequest, bench_solvers

    return bench_solvers(SolversRequest(problems, solvers, quick, crocoddyl, compare_builds, flops, json))


@bench.command()
@_data_option
@click.option("--quick", is_flag=True, help="A little of everything, to see that it runs. The figures mean little.")
@json_option
def identification(data: Path | None, quick: bool, json: str | None) -> int:
    """Identify the same machines from the same data with `mpc identify` and with mujoco.sysid.

    Estimates, stated intervals, times, errors of what was held out, spread over window lengths and coverage of the truth, all
    on one core; then times against their targets. All of it takes about a quarter of an hour. The JSON is a list of rows.

    \b
      mpc bench identification --data ../shared/data --json identification.json
    """
    import os

    # One core for everybody: libraries of linear algebra read this when they are loaded.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    from launch.commands.bench_identification import IdentificationRequest, bench_identification

    return bench_identification(IdentificationRequest(data, quick, json))


@bench.command()
@click.option("--quick", is_flag=True, help="A few calls of everything, to see that it runs. The figures mean little.")
@json_option
def residual(quick: bool, json: str | None) -> int:
    """Evaluate learned residuals, and plan with them.

    Values and Jacobians of networks for a whole horizon, beside NumPy and the core's floating-point limit; real-time iterations
    with a residual beside those without. On one core, a minute in all. The JSON is a list of rows.

    \b
      mpc bench residual --json residual.json
    """
    import os

    # One core for everybody: libraries of linear algebra read this when they are loaded.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    from launch.commands.bench_residual import bench_residual

    return bench_residual(json, is_quick=quick)


@bench.command()
@click.option("--quick", is_flag=True, help="A few calls of everything, to see that it runs. The figures mean little.")
@json_option
def gate(quick: bool, json: str | None) -> int:
    """Time the safety gate.

    What every tick of a plant does last, for an arm of seven joints; a few seconds. The JSON is a list of rows.

    \b
      mpc bench gate
    """
    from launch.commands.bench_gate import bench_gate

    return bench_gate(json, is_quick=quick)


@bench.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default="docs")
@click.option(
    "--measure",
    multiple=True,
    type=click.Choice((*_PARTS, "all")),
    help="Measure this anew first; may be repeated. Otherwise what FOLDER/measured holds is taken.",
)
@click.option("--quick", is_flag=True, help="A few steps of everything, to see that it runs. The figures mean little.")
@click.option("--crocoddyl", metavar="PYTHON", help="A Python that has Crocoddyl. [default: this one]")
@_data_option
def pages(folder: Path, measure: tuple[str, ...], quick: bool, crocoddyl: str | None, data: Path | None) -> int:
    """Write the measured tables and pictures of the pages in FOLDER. [default: docs]

    Tables stand between markers in solvers.md, performance.md and identification.md; pictures go into FOLDER/pictures.
    Measurements are kept as JSON in FOLDER/measured. To measure all of it takes about two hours, on a machine that does nothing
    else.

    \b
      mpc bench pages
      mpc bench pages --measure all --crocoddyl .venv/crocoddyl/bin/python --data ../shared/data
    """
    from launch.commands.pages import PagesRequest, write_pages

    return write_pages(PagesRequest(folder, measure, quick, crocoddyl, data))
