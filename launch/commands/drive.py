"""`mpc drive`: the plant node with a real robot behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from launch.announcing_link import AnnouncingLink
from launch.bus_address import bus_of
from launch.errors import ExitCode
from launch.output import check_json_path, speaker, write_json
from launch.readiness import awaiting, settled, telling
from launch.scheduling import check_core, take_place
from launch.selection import check_rates
from launch.signals import StopSignals
from mpc_controller.bus.zmq_link import PlantLink
from mpc_controller.drivers import load_driver
from mpc_controller.node.clock import SteadyClock
from mpc_controller.node.notify import Notifier
from mpc_controller.node.plant_node import PlantOptions, run_plant
from robots import load_robot


@final
@dataclass(frozen=True)
class DriveRequest:
    """The options of `mpc drive`; None stands for the robot's own value."""

    robot: str
    file: Path
    endpoint: str | None
    rate_hz: float | None
    control_rate_hz: float | None
    priority: int
    duration_s: float | None
    json: str | None
    cpu: int | None = None
    operator_arms: bool = False


def drive(request: DriveRequest) -> ExitCode:
    """Run the plant until told to stop, or for the duration."""
    check_json_path(request.json)
    check_core(request.cpu)
    say = speaker(request.json)
    robot = load_robot(request.robot)
    if request.rate_hz is not None:
        robot = replace(robot, plant_rate_hz=request.rate_hz)
    check_rates(robot, request.control_rate_hz)
    open_plant = load_driver(request.file, robot)
    address, endpoints = bus_of(robot.name, request.endpoint)
    options = PlantOptions(
        duration_s=request.duration_s,
        control_rate_hz=request.control_rate_hz,
        realtime_priority=request.priority,
        operator_arms=request.operator_arms,
    )
    lacks = take_place(request.priority, request.cpu)
    with (
        StopSignals(interrupt=True) as stop,
        PlantLink(endpoints, io_priority=request.priority and request.priority + 1) as link,
        Notifier.of() as notifier,
    ):
        plant = open_plant()
        stop.polite()
        what = f"driving {robot.name} as in {request.file} at {robot.plant_rate_hz:g} Hz on {address}"
        settled(what + awaiting(robot.name, request.operator_arms), lacks, say, notifier)
        clock = SteadyClock(round(1e9 / robot.plant_rate_hz))
        with AnnouncingLink(link, telling(say, notifier)) as announced:
            summary = run_plant(plant, robot, announced, clock, options, notifier.watched(stop.requested))
    write_json(request.json, summary)
    return ExitCode.OK
