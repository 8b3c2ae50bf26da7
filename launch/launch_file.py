"""What starts together: a TOML file, checked in full before any process starts.

robot = "quadrotor"         # required; `mpc robots` lists robots and tasks
task = "figure-eight"       # default: the robot's own
duration_s = 20             # 0.1 to 86400; default: the task's own
realtime = true             # SCHED_FIFO and locked memory for simulator and controller, where the system permits it

[sim]
seed = 0                    # of the sensor noise
lock_step = false           # true: the simulation waits for every plan; not real time, and repeatable to the last bit
rate_hz = 500               # of the plant node, with whole steps of the simulation in between; default: the robot's own
arming = "automatic"        # or "operator": no plan is followed before `mpc arm ROBOT`, nor after a hold or a stop
cpu = 1                     # keep the process on this core; default: on any
mjcf = "identified.xml"     # simulate the robot in this file, such as one of `mpc export`; default: the robot's own

[sim.truth]                 # how the plant differs from the model; see sim/truth.py
mass_scale = 1.1

[control]
solver = "multiple-shooting"    # default: the task's own
rate_hz = 100                   # of planning, at most the plant's rate; default: the robot's own
parameters = "identified.toml"  # default: the robot's own; a relative path starts at the folder of this file
residual = "residual.npz"       # learned by `mpc learn`, for these parameters; default: none
adapt_residual = true          # it, of the family linear, learns on while the robot runs; default: false
excitation = "excitation.toml"  # move for identification, as a file of `mpc excite` says, instead of a task; default: no
cpu = 0                         # keep the process on this core; default: on any
estimator = "ekf"               # or "ekf-without-disturbance", which does not learn what the model lacks, or "passthrough"

[adapt]                     # present: learn these beside the controller, and tell it, as `mpc adapt` does
parameters = ["mass"]       # of the robot's model
rate_hz = 2                 # updates a second, at most

[record]
enabled = true
folder = "runs"             # a relative path starts at the working folder

[identify]                  # present: run the task, then an excitation, identify, and run the task again with what was found
duration_s = 12.0           # of the excitation's signals; default: the robot's own
excitation = "e.toml"       # a relative path starts at the folder of this file; default: one is designed
criterion = "D"             # of the design, or "condition"
seed = 0                    # of the design
fix = ["control_delay"]     # what `mpc identify` is not to fit; default: nothing

[learn]                     # present, beside [identify]: learn a residual from the excitation and from other tasks, and compare
runs = ["figure-eight"]     # tasks that are run for data; default: none
beyond = ["waypoints"]      # tasks outside of what these cover, to compare on, too; default: none
family = "gp"               # of the residual, as in `mpc learn`
epochs = 20                 # of the training
seed = 0                    # of the training

[supervision]               # what happens after a process died; see launch/supervision_section.py
restart = "on-failure"      # default: "never"
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from launch.adapt_section import AdaptSection, adapt_section_of
from launch.bounds import ARMING, DURATION_S, RATE_HZ, SEED
from launch.learn_section import LearnSection, learn_section_of
from launch.supervision_section import SupervisionSection, supervision_section_of
from mpc_controller.control.estimators import ESTIMATORS
from mpc_controller.identification.excitation.design import CRITERIA
from mpc_controller.identification.excitation.experiment import excitation_of
from mpc_controller.identification.excitation.experiment_file import load_experiment
from mpc_controller.identification.sensitivity import DELAY
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.robot import Robot
from mpc_controller.solvers import SOLVERS
from mpc_controller.toml_table import TomlTable
from robots import ROBOTS, load_robot
from sim.mjcf import load_mjcf
from sim.mujoco_plant import whole_steps
from sim.perturbation import check_truth
from sim.truth import SimTruth


@final
@dataclass(frozen=True)
class SimSection:
    """The simulated plant; None stands for the robot's own value."""

    truth: SimTruth
    seed: int
    lock_step: bool
    rate_hz: float | None
    mjcf: Path | None = None
    cpu: int | None = None
    operator_arms: bool = False


@final
@dataclass(frozen=True)
class ControlSection:
    """The controller; None stands for the task's or the robot's own value."""

    solver: str | None
    rate_hz: float | None
    parameters: Path | None
    estimator: str
    excitation: Path | None = None
    residual: Path | None = None
    adapt_residual: bool = False
    cpu: int | None = None


@final
@dataclass(frozen=True)
class RecordSection:
    """Whether and where to record."""

    enabled: bool
    folder: Path


@final
@dataclass(frozen=True)
class IdentifySection:
    """How to identify between two runs of the task; None stands for a design, and for the robot's own value."""

    excitation: Path | None
    duration_s: float | None
    criterion: str
    seed: int
    fix: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class LaunchFile:
    """A checked launch file: the robot, task and solver exist, the parameters fit the robot's model, the truth and the rates
    its simulation."""

    path: Path
    robot: str
    task: str
    duration_s: float | None
    realtime: bool
    sim: SimSection
    control: ControlSection
    record: RecordSection
    adapt: AdaptSection = field(default_factory=AdaptSection)
    identify: IdentifySection | None = None
    learn: LearnSection | None = None
    supervision: SupervisionSection = field(default_factory=SupervisionSection)


def load_launch_file(path: Path) -> LaunchFile:
    """Read and check a launch file. Raises TomlError or ParameterError."""
    top = TomlTable.read(path)
    robot = load_robot(top.required_text("robot", tuple(ROBOTS)))
    sim, control = top.table("sim"), top.table("control")
    section = _control(control, robot)
    launch = LaunchFile(
        path=path,
        robot=robot.name,
        task=_task(top, section, robot),
        duration_s=top.number("duration_s", None, *DURATION_S),
        realtime=top.flag("realtime", default=True),
        sim=_sim(sim, robot),
        control=section,
        record=_record(top.table("record")),
        adapt=top.table("adapt").parsed(adapt_section_of(robot.dynamics.nominal.parameters)),
        identify=_identify(top, robot),
        learn=learn_section_of(top.table("learn"), robot) if top.has("learn") else None,
        supervision=supervision_section_of(top.table("supervision")),
    )
    top.finish()
    _check_identify(top, launch)
    _check_rates(sim, control, launch, robot)
    return launch


def _sim(table: TomlTable, robot: Robot) -> SimSection:
    robot, mjcf = _simulated(table, robot)
    model = load_mjcf(robot)

    def truth_of(values: Mapping[str, Any]) -> SimTruth:
        truth = SimTruth.from_table(values)
        check_truth(model, robot, truth)
        return truth

    section = SimSection(
        truth=table.table("truth").parsed(truth_of),
        seed=table.integer("seed", 0, *SEED),
        lock_step=table.flag("lock_step", default=False),
        rate_hz=table.number("rate_hz", None, *RATE_HZ),
        mjcf=mjcf,
        cpu=_core(table),
        operator_arms=table.text("arming", ARMING[0], ARMING) == ARMING[1],
    )
    table.finish()
    if section.rate_hz is not None:
        try:
            whole_steps(1 / section.rate_hz, model.opt.timestep)
        except ValueError as error:
            raise table.refusal("rate_hz", error) from None
    return section


def _simulated(table: TomlTable, robot: Robot) -> tuple[Robot, Path | None]:
    """What is simulated, and its file where that is not the robot's own."""
    path = table.input_file("mjcf")
    if path is None:
        return robot, None
    simulated = replace(robot, mjcf=path)
    try:
        load_mjcf(simulated)
    except ValueError as error:
        raise table.refusal("mjcf", error) from None
    return simulated, path


def _control(table: TomlTable, robot: Robot) -> ControlSection:
    section = ControlSection(
        solver=table.text("solver", None, tuple(SOLVERS)),
        rate_hz=table.number("rate_hz", None, *RATE_HZ),
        parameters=table.input_file("parameters"),
        estimator=table.text("estimator", "ekf", tuple(ESTIMATORS)) or "ekf",
        excitation=_excitation(table, robot),
        residual=table.input_file("residual"),
        adapt_residual=table.flag("adapt_residual", default=False),
        cpu=_core(table),
    )
    table.finish()
    if section.parameters is not None:
        load_parameters(section.parameters, robot.dynamics.nominal.parameters)
    return section


def _core(table: TomlTable) -> int | None:
    """A core that this process, and so its children, may run on; None for any."""
    if not table.has("cpu"):
        return None
    valid = os.sched_getaffinity(0)
    cpu = table.integer("cpu", 0, 0, max(valid))
    if cpu not in valid:
        raise table.error("cpu", f"must be one of {', '.join(map(str, sorted(valid)))}")
    return cpu


def _excitation(table: TomlTable, robot: Robot) -> Path | None:
    path = table.input_file("excitation")
    if path is not None:
        load_experiment(path, robot)
    return path


def _task(top: TomlTable, control: ControlSection, robot: Robot) -> str:
    """The task's name; with an excitation that of the task that it is made from."""
    given = top.text("task", None, tuple(robot.tasks))
    if control.excitation is None:
        return given or robot.default_task
    base = excitation_of(robot).task
    if given not in (None, base):
        raise top.error("task", f"must be '{base}', which excitations of '{robot.name}' are made from, or left out")
    return base


def _identify(top: TomlTable, robot: Robot) -> IdentifySection | None:
    """None where there is no such table."""
    if not top.has("identify"):
        return None
    excitation_of(robot)
    table = top.table("identify")
    section = IdentifySection(
        excitation=_excitation(table, robot),
        duration_s=table.number("duration_s", None, *DURATION_S),
        criterion=table.text("criterion", "D", CRITERIA) or "D",
        seed=table.integer("seed", 0, *SEED),
        fix=_fixed(table, robot),
    )
    table.finish()
    return section


def _fixed(table: TomlTable, robot: Robot) -> tuple[str, ...]:
    """Parameters of the model, or the commands' delay."""
    names, valid = table.texts("fix", ()), (*robot.dynamics.nominal.parameters.names, DELAY)
    if any(name not in valid for name in names):
        raise table.error("fix", f"must be a list of {', '.join(valid)}")
    return names


def _check_identify(top: TomlTable, launch: LaunchFile) -> None:
    """What is identified from must be recorded, and the runs before and after must be of a task."""
    if launch.identify is None:
        if launch.learn is not None:
            raise top.lacks(
                "identify", "a table, which may be empty, where there is [learn]: what is learned is what physics leaves over"
            )
        return
    if not launch.record.enabled:
        raise top.table("record").error("enabled", "must be true where there is [identify]: it needs the recordings")
    if launch.control.excitation is not None:
        raise top.table("control").error("excitation", "must be left out where there is [identify], which has its own")


def _check_rates(sim: TomlTable, control: TomlTable, launch: LaunchFile, robot: Robot) -> None:
    """Every plan answers an observation, so plans can't be the more frequent ones."""
    plant_hz, control_hz = launch.sim.rate_hz or robot.plant_rate_hz, launch.control.rate_hz or robot.control_rate_hz
    if control_hz <= plant_hz:
        return
    if launch.control.rate_hz is not None:
        raise control.error("rate_hz", f"must be at most the plant's rate (sim.rate_hz), {plant_hz:g}")
    raise sim.error("rate_hz", f"must be at least the control rate (control.rate_hz), {control_hz:g}")


def _record(table: TomlTable) -> RecordSection:
    section = RecordSection(enabled=table.flag("enabled", default=True), folder=Path(table.text("folder", "runs") or "runs"))
    table.finish()
    if section.enabled and os.path.exists(section.folder) and not os.path.isdir(section.folder):
        raise table.error("folder", "must be a folder, or not exist yet")
    return section
