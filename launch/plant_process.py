"""The process of a plant, whatever its body: what `mpc sim` and `mpc drive` have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
from mpc_controller.node.clock import Clock
from mpc_controller.node.notify import Notifier
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, run_plant
from mpc_controller.robot import Robot
from robots import load_robot


@final
@dataclass(frozen=True)
class PlantRequest:
    """What both commands can be told; None stands for the robot's own value."""

    robot: str
    endpoint: str | None
    rate_hz: float | None
    control_rate_hz: float | None
    priority: int
    cpu: int | None
    operator_arms: bool
    duration_s: float | None
    json: str | None
    lock_step: bool = False

    def checked_robot(self) -> Robot:
        """The robot at its rate; all else that can be said wrong is looked at, too."""
        check_json_path(self.json)
        check_core(self.cpu)
        robot = load_robot(self.robot)
        if self.rate_hz is not None:
            robot = replace(robot, plant_rate_hz=self.rate_hz)
        check_rates(robot, self.control_rate_hz)
        return robot


@final
@dataclass(frozen=True)
class Body:
    """What the plant node drives. doing: what that is called, such as "driving arm"; open: its plant; clock: of a period in
    nanoseconds; meet(link, stopped): what comes before its first words."""

    doing: str
    open: Callable[[], Plant]
    clock: Callable[[int], Clock]
    meet: Callable[[PlantLink, Callable[[], bool]], None] = lambda _link, _stopped: None


def run_plant_process(request: PlantRequest, robot: Robot, body: Body) -> ExitCode:
    """Run the plant until told to stop, or for the duration."""
    say = speaker(request.json)
    address, endpoints = bus_of(robot.name, request.endpoint)
    options = PlantOptions(
        duration_s=request.duration_s,
        control_rate_hz=request.control_rate_hz,
        lock_step=request.lock_step,
        realtime_priority=request.priority,
        operator_arms=request.operator_arms,
    )
    lacks = take_place(request.priority, request.cpu)
    with (
        StopSignals(interrupt=True) as stop,
        PlantLink(endpoints, io_priority=request.priority and request.priority + 1) as link,
        Notifier.of() as notifier,
    ):
        plant = body.open()
        stop.polite()
        what = f"{body.doing} at {robot.plant_rate_hz:g} Hz on {address}"
        settled(what + awaiting(robot.name, request.operator_arms), lacks, say, notifier)
        body.meet(link, notifier.watched(stop.requested))
        clock = body.clock(round(1e9 / robot.plant_rate_hz))
        with AnnouncingLink(link, telling(say, notifier)) as announced:
            summary = run_plant(plant, robot, announced, clock, options, notifier.watched(stop.requested))
    write_json(request.json, summary)
    return ExitCode.OK
