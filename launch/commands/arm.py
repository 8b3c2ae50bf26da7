"""`mpc arm`: let controllers lead a robot that waits for this."""

from __future__ import annotations

from launch.bus_address import bus_of, check_role
from launch.errors import CommandError, ExitCode
from launch.heard_plant import HeardPlant
from mpc_controller.bus.frame import Kind
from mpc_controller.bus.messages import Arm, Mode, Observation
from mpc_controller.bus.zmq_link import PeerLink
from robots import check_robot


def arm(robot_name: str, endpoint: str | None) -> ExitCode:
    """Arm the robot that is named, once: where its plant awaits an operator.

    Raises CommandError when no plant answers, when it is another robot's, when it is stopped, and when it does not obey.
    """
    check_robot(robot_name)
    address, endpoints = bus_of(robot_name, endpoint)
    check_role(endpoints, Kind.ARM)
    with PeerLink(endpoints, kinds=(Observation,)) as link:
        plant = HeardPlant(link, robot_name, address)
        heard = plant.named("armed")
        if heard.mode is Mode.E_STOP:
            raise CommandError(
                f"{robot_name} is stopped; `mpc estop {robot_name} --clear` releases it first", ExitCode.RUN_FAILED
            )
        if not heard.awaits_operator:
            print(f"{robot_name} does not wait to be armed: mode {heard.mode.name}")
            return ExitCode.OK
        heard = plant.until(lambda o: not o.awaits_operator, lambda o: Arm(robot_name, o.sequence, o.time_ns))
    print(f"{robot_name} is armed: a controller that plans for it leads it at once")
    return ExitCode.OK
