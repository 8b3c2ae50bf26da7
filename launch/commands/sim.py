"""`mpc sim`: the plant node with MuJoCo behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from launch.announcing_link import AnnouncingLink
from launch.bus_address import bus_of
from launch.errors import CommandError, ExitCode
from launch.launch_file import load_launch_file
from launch.output import check_json_path, speaker, write_json
from launch.readiness import awaiting, settled, telling
from launch.scheduling import check_core, take_place
from launch.selection import check_rates, task_of
from launch.signals import StopSignals
from mpc_controller.bus.zmq_link import PlantLink
from mpc_controller.node.clock import SimulationClock
from mpc_controller.node.notify import Notifier
from mpc_controller.node.plant_node import PlantOptions, run_plant
from robots import load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth

# Peers that wait for this plant try to connect every 0.1 s; they should hear its first words. Those that the launcher announces
# are waited for longer: on a busy machine their processes may be slow.
_CONNECT_S = 0.3
_ANNOUNCED_S = 10.0


@final
@dataclass(frozen=True)
class SimRequest:
    """The options of `mpc sim`; None stands for the robot's own value."""

    robot: str
    task: str | None
    endpoint: str | None
    rate_hz: float | None
    control_rate_hz: float | None
    seed: int
    lock_step: bool
    priority: int
    peers: int
    truth: Path | None
    duration_s: float | None
    json: str | None
    mjcf: Path | None = None
    cpu: int | None = None
    operator_arms: bool = False


def simulate(request: SimRequest) -> ExitCode:
    """Run the plant until told to stop, or for the duration."""
    check_json_path(request.json)
    check_core(request.cpu)
    say = speaker(request.json)
    robot = load_robot(request.robot)
    if request.rate_hz is not None:
        robot = replace(robot, plant_rate_hz=request.rate_hz)
    if request.mjcf is not None:
        robot = replace(robot, mjcf=request.mjcf)
    check_rates(robot, request.control_rate_hz)
    task = task_of(robot, request.task)
    truth = _truth(request)
    address, endpoints = bus_of(robot.name, request.endpoint)
    priority = 0 if request.lock_step else request.priority
    options = PlantOptions(
        duration_s=request.duration_s,
        control_rate_hz=request.control_rate_hz,
        lock_step=request.lock_step,
        realtime_priority=priority,
        operator_arms=request.operator_arms,
    )
    lacks = take_place(priority, request.cpu)
    with (
        StopSignals(interrupt=True) as stop,
        PlantLink(endpoints, io_priority=priority and priority + 1) as link,
        Notifier.of() as notifier,
    ):
        try:
            plant = MujocoPlant(robot, task.initial_state, truth, request.seed, 1 / robot.plant_rate_hz)
        except ValueError as error:
            raise CommandError(str(error), ExitCode.BAD_INPUT) from None
        stop.polite()
        body = f" as in {request.mjcf}" if request.mjcf else ""
        what = f"simulating {robot.name}{body} ({task.name}) at {robot.plant_rate_hz:g} Hz on {address}"
        settled(what + awaiting(robot.name, request.operator_arms), lacks, say, notifier)
        _await_peers(link, request.peers, notifier.watched(stop.requested))
        clock = SimulationClock(round(1e9 / robot.plant_rate_hz), real_time=not request.lock_step)
        with AnnouncingLink(link, telling(say, notifier)) as announced:
            summary = run_plant(plant, robot, announced, clock, options, notifier.watched(stop.requested))
    write_json(request.json, summary)
    return ExitCode.OK


def _await_peers(link: PlantLink, announced: int, stopped: Callable[[], bool]) -> None:
    """Let those who wait for this plant connect before its first words."""
    deadline_s = time.monotonic() + (_ANNOUNCED_S if announced else _CONNECT_S)
    while time.monotonic() < deadline_s and not (stopped() or 0 < announced <= link.peers):
        link.receive(0.01)


def _truth(request: SimRequest) -> SimTruth:
    """The truth of the launch file that was given; a plant like the model otherwise."""
    if request.truth is None:
        return SimTruth()
    launch = load_launch_file(request.truth)
    if launch.robot != request.robot:
        message = f"{request.truth} is about the robot '{launch.robot}', not '{request.robot}'"
        raise CommandError(message, ExitCode.BAD_INPUT)
    return launch.sim.truth
