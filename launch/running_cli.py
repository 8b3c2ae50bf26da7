"""The commands that run a robot: simulate, control, watch, stop. As in cli.py, what one needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from launch.bounds import SEED
from launch.options import (
    DURATION,
    ESTIMATOR_NAMES,
    HOW_TO_PLAN,
    INPUT_FILE,
    RATE,
    arming_option,
    cpu_option,
    duration_option,
    endpoint_option,
    excitation_option,
    json_option,
    priority_option,
    solver_option,
    task_option,
)


@click.command()
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


@click.command()
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
@arming_option("automatic")
@priority_option
@cpu_option
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
    operator_arms: bool,
    priority: int,
    cpu: int | None,
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
    from launch.plant_process import PlantRequest

    plant = PlantRequest(robot, endpoint, rate, control_rate, priority, cpu, operator_arms, duration, json, lock_step)
    return simulate(plant, SimRequest(task, seed, peers, truth, mjcf))


@click.command()
@click.argument("robot")
@click.argument("file", type=INPUT_FILE, metavar="DRIVER_CONFIG.toml")
@endpoint_option
@click.option("--rate", type=RATE, metavar="HZ", help="Rate of observations and commands. [default: the robot's own]")
@click.option("--control-rate", type=RATE, metavar="HZ", help="Rate of plans to expect. [default: the robot's own]")
@arming_option("operator")
@priority_option
@cpu_option
@duration_option
@json_option
def drive(
    robot: str,
    file: Path,
    endpoint: str | None,
    rate: float | None,
    control_rate: float | None,
    operator_arms: bool,
    priority: int,
    cpu: int | None,
    duration: float | None,
    json: str | None,
) -> int:
    """Drive the real ROBOT, as a file says, and follow the plans that come.

    docs/drivers.md has such files, for servos, flying robots and arms. Without plans the robot holds still. It stops at Ctrl-C.

    No plan is followed before `mpc arm ROBOT`, and none after a hold or a stop until it is said again; --arming automatic lets
    controllers lead the robot as soon as they are ready.

    \b
      mpc drive arm servos.toml
      mpc drive quadrotor px4.toml --rate 250
    """
    from launch.commands.drive import drive as run
    from launch.plant_process import PlantRequest

    return run(PlantRequest(robot, endpoint, rate, control_rate, priority, cpu, operator_arms, duration, json), file)


@click.command()
@click.argument("robot")
@task_option
@solver_option
@click.option("--rate", type=RATE, metavar="HZ", help="Plans per second. [default: the robot's own]")
@click.option("--plant-rate", type=RATE, metavar="HZ", help="Rate of the plant, where it is not the robot's own.")
@endpoint_option
@click.option("--parameters", type=INPUT_FILE, metavar="FILE", help="Model parameters, as robots/NAME/parameters.toml.")
@click.option("--residual", type=INPUT_FILE, metavar="FILE", help="A residual of `mpc learn`, for these parameters.")
@click.option("--force-residual", is_flag=True, help="Even one that validation did not find better than physics alone.")
@click.option("--adapt-residual", is_flag=True, help="Let it, of the family linear, learn on while the robot runs.")
@excitation_option
@click.option("--estimator", type=click.Choice(ESTIMATOR_NAMES), default="ekf", show_default=True, help="What tells the state.")
@priority_option
@cpu_option
@click.option("--take-over", is_flag=True, help="Lead the plant even if another controller does, which then ends.")
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
    residual: Path | None,
    force_residual: bool,
    adapt_residual: bool,
    excitation: Path | None,
    estimator: str,
    priority: int,
    cpu: int | None,
    take_over: bool,
    wait: float,
    duration: float | None,
    json: str | None,
) -> int:
    """Control ROBOT: plan for every observation of its plant.

    It claims the plant, and is followed, once it has seen that model, rates and limits are right and has a first good plan;
    while another controller leads the plant it does not start.

    The first start of a task compiles its solver, which takes some seconds; after that it is kept. It stops at Ctrl-C.

    \b
      mpc control quadrotor --task figure-eight
      mpc control arm --rate 50 --parameters identified.toml
      mpc control quadrotor --parameters identified.toml --residual residual.npz
    """
    from launch.commands.control import ControlRequest
    from launch.commands.control import control as run

    return run(
        ControlRequest(
            robot,
            task,
            solver,
            rate,
            plant_rate,
            endpoint,
            parameters,
            estimator,
            wait,
            priority,
            duration,
            json,
            excitation,
            residual,
            force_residual,
            adapt_residual,
            cpu,
            take_over,
        )
    )


@click.command()
@click.argument("robot")
@endpoint_option
def view(robot: str, endpoint: str | None) -> int:
    """Open a window on the simulation of ROBOT. Needs a display; close it when you like.

    \b
      mpc view quadrotor
    """
    from launch.commands.view import view_robot

    return view_robot(robot, endpoint)


@click.command()
@click.argument("robot")
@endpoint_option
def arm(robot: str, endpoint: str | None) -> int:
    """Let controllers lead ROBOT, where its plant waits for this.

    A plant that was started with --arming operator follows no plan before, and waits again after each hold and each stop.

    \b
      mpc arm quadrotor
    """
    from launch.commands.arm import arm as run

    return run(robot, endpoint)


@click.command()
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


@click.command()
@click.argument("robot")
@endpoint_option
@click.option("--listen", type=DURATION, default=2.0, show_default=True, metavar="S", help="For how long.")
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@json_option
def status(robot: str, endpoint: str | None, listen: float, watch: bool, json: str | None) -> int:
    """Tell who is on ROBOT's bus and how it goes.

    The plant's mode, rates beside those that were declared, ages, what was lost, late or refused, who is in charge, and what
    the robot reports of itself. It only listens. Exit code 1 when something is not as it should be.

    \b
      mpc status quadrotor
      mpc status arm --watch
      mpc status arm --json - --endpoint tcp://robot.lan:5555 --keys wall.key
    """
    from launch.commands.status import status as run

    return run(robot, endpoint, listen, json, watch=watch)
