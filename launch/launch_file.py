"""What starts together: a TOML file, checked in full before any process starts.

robot = "quadrotor"         # required; `mpc robots` lists robots and tasks
task = "figure-eight"       # default: the robot's own
duration_s = 20             # default: the task's own
realtime = true             # SCHED_FIFO for simulator and controller where the system permits it

[sim]
seed = 0                    # of the sensor noise
lock_step = false           # true: the simulation waits for every plan; not real time, and repeatable to the last bit
rate_hz = 500               # of the plant node; default: the robot's own

[sim.truth]                 # how the plant differs from the model; see sim/truth.py
mass_scale = 1.1

[control]
solver = "multiple-shooting"    # default: the task's own
rate_hz = 100                   # of planning; default: the robot's own
parameters = "identified.toml"  # default: the robot's own; a relative path starts at the folder of this file
estimator = "ekf"               # or "passthrough"

[record]
enabled = true
folder = "runs"             # a relative path starts at the working folder
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from launch.toml_table import TomlTable
from mpc_controller.control.estimators import ESTIMATORS
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.robot import Robot
from mpc_controller.solvers import SOLVERS
from robots import ROBOTS, load_robot
from sim.truth import SimTruth

_LONGEST_RUN = 86400.0  # s
_FASTEST_RATE = 10_000.0  # Hz
_LARGEST_SEED = 2**63 - 1


@final
@dataclass(frozen=True)
class SimSection:
    """The simulated plant; None stands for the robot's own value."""

    truth: SimTruth
    seed: int
    lock_step: bool
    rate_hz: float | None


@final
@dataclass(frozen=True)
class ControlSection:
    """The controller; None stands for the task's or the robot's own value."""

    solver: str | None
    rate_hz: float | None
    parameters: Path | None
    estimator: str


@final
@dataclass(frozen=True)
class RecordSection:
    """Whether and where to record."""

    enabled: bool
    folder: Path


@final
@dataclass(frozen=True)
class LaunchFile:
    """A checked launch file: the robot, task and solver exist, the parameters fit the robot's model."""

    path: Path
    robot: str
    task: str
    duration_s: float | None
    realtime: bool
    sim: SimSection
    control: ControlSection
    record: RecordSection


def load_launch_file(path: Path) -> LaunchFile:
    """Read and check a launch file. Raises TomlError or ParameterError."""
    top = TomlTable.read(path)
    robot = load_robot(top.required_text("robot", tuple(ROBOTS)))
    launch = LaunchFile(
        path=path,
        robot=robot.name,
        task=top.text("task", None, tuple(robot.tasks)) or robot.default_task,
        duration_s=top.number("duration_s", None, 0.0, _LONGEST_RUN),
        realtime=top.flag("realtime", default=True),
        sim=_sim(top.table("sim")),
        control=_control(top.table("control"), robot),
        record=_record(top.table("record")),
    )
    top.finish()
    return launch


def load_truth(path: Path) -> SimTruth:
    """The truth in a TOML file of its own, with the keys of `[sim.truth]` at the top. Raises TomlError."""
    return _truth(TomlTable.read(path))


def _sim(table: TomlTable) -> SimSection:
    section = SimSection(
        truth=_truth(table.table("truth")),
        seed=table.integer("seed", 0, 0, _LARGEST_SEED),
        lock_step=table.flag("lock_step", default=False),
        rate_hz=table.number("rate_hz", None, 0.0, _FASTEST_RATE),
    )
    table.finish()
    return section


def _truth(table: TomlTable) -> SimTruth:
    return table.parsed(SimTruth.from_table)


def _control(table: TomlTable, robot: Robot) -> ControlSection:
    section = ControlSection(
        solver=table.text("solver", None, tuple(SOLVERS)),
        rate_hz=table.number("rate_hz", None, 0.0, _FASTEST_RATE),
        parameters=table.input_file("parameters"),
        estimator=table.text("estimator", "ekf", tuple(ESTIMATORS)) or "ekf",
    )
    table.finish()
    if section.parameters is not None:
        load_parameters(section.parameters, robot.dynamics.nominal.parameters)
    return section


def _record(table: TomlTable) -> RecordSection:
    section = RecordSection(enabled=table.flag("enabled", default=True), folder=Path(table.text("folder", "runs") or "runs"))
    table.finish()
    if section.enabled and section.folder.exists() and not section.folder.is_dir():
        raise table.error("folder", "must be a folder, or not exist yet")
    return section
