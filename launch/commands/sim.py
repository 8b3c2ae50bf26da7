"""`mpc sim`: the plant node with MuJoCo behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from launch.errors import CommandError, ExitCode
from launch.launch_file import load_launch_file
from launch.plant_process import Body, PlantRequest, run_plant_process
from launch.selection import task_of
from mpc_controller.bus.zmq_link import PlantLink
from mpc_controller.node.clock import SimulationClock
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth

# Peers that wait for this plant try to connect every 0.1 s; they should hear its first words. Those that the launcher announces
# are waited for longer: on a busy machine their processes may be slow.
_CONNECT_S = 0.3
_ANNOUNCED_S = 10.0


@final
@dataclass(frozen=True)
class SimRequest:
    """The options that `mpc sim` has beside those of every plant; None stands for the robot's own value."""

    task: str | None
    seed: int
    peers: int
    truth: Path | None
    mjcf: Path | None


def simulate(plant_request: PlantRequest, request: SimRequest) -> ExitCode:
    """Simulate the robot; in lock step as an ordinary program."""
    robot = plant_request.checked_robot()
    if request.mjcf is not None:
        robot = replace(robot, mjcf=request.mjcf)
    task = task_of(robot, request.task)
    truth = _truth(plant_request.robot, request.truth)
    lock_step = plant_request.lock_step

    def open_plant() -> MujocoPlant:
        try:
            return MujocoPlant(robot, task.initial_state, truth, request.seed, 1 / robot.plant_rate_hz)
        except ValueError as error:
            raise CommandError(str(error), ExitCode.BAD_INPUT) from None

    as_in = f" as in {request.mjcf}" if request.mjcf else ""
    body = Body(
        f"simulating {robot.name}{as_in} ({task.name})",
        open_plant,
        lambda period_ns: SimulationClock(period_ns, real_time=not lock_step),
        lambda link, stopped: _await_peers(link, request.peers, stopped),
    )
    return run_plant_process(replace(plant_request, priority=0) if lock_step else plant_request, robot, body)


def _await_peers(link: PlantLink, announced: int, stopped: Callable[[], bool]) -> None:
    """Let those who wait for this plant connect before its first words."""
    deadline_s = time.monotonic() + (_ANNOUNCED_S if announced else _CONNECT_S)
    while time.monotonic() < deadline_s and not (stopped() or 0 < announced <= link.peers):
        link.receive(0.01)


def _truth(robot: str, file: Path | None) -> SimTruth:
    """The truth of the launch file that was given; a plant like the model otherwise."""
    if file is None:
        return SimTruth()
    launch = load_launch_file(file)
    if launch.robot != robot:
        raise CommandError(f"{file} is about the robot '{launch.robot}', not '{robot}'", ExitCode.BAD_INPUT)
    return launch.sim.truth
