"""`mpc estop`: stop a robot now, or let it go on."""

from __future__ import annotations

import time

from launch.bus_address import bus_of
from launch.errors import CommandError, ExitCode
from launch.heard_plant import HeardPlant
from mpc_controller.bus.messages import EStop, Mode, Observation
from mpc_controller.bus.zmq_link import PeerLink
from robots import check_robot


def emergency_stop(robot_name: str, endpoint: str | None, clear: bool) -> ExitCode:
    """Stop whatever plant answers, and say which it is; release only the robot that is named.

    Raises CommandError when no plant answers, when another robot's does, and when it does not obey.
    """
    check_robot(robot_name)
    address, endpoints = bus_of(robot_name, endpoint)
    with PeerLink(endpoints, kinds=(Observation,)) as link:
        plant = HeardPlant(link, robot_name, address)
        return _release(plant) if clear else _stop(plant)


def _stop(plant: HeardPlant) -> ExitCode:
    """Say it before anything is heard, and until the observations show that it was: whoever is there should stop."""
    message = EStop(sequence=time.time_ns())
    plant.answer(message)
    heard = plant.until(lambda o: o.mode is Mode.E_STOP, lambda o: message)
    print(f"{heard.robot} is stopped: mode {heard.mode.name}", flush=True)
    if heard.robot != plant.name:
        raise CommandError(
            f"the plant at {plant.address} is {heard.robot}, not {plant.name}, which was not reached", ExitCode.ENVIRONMENT
        )
    return ExitCode.OK


def _release(plant: HeardPlant) -> ExitCode:
    """Hear first who is there and whether it is stopped."""
    heard = plant.named("released")
    if heard.mode is not Mode.E_STOP:
        print(f"{heard.robot} is not stopped: mode {heard.mode.name}")
        return ExitCode.OK
    message = EStop(sequence=time.time_ns(), clear=True)
    heard = plant.until(lambda o: o.mode is not Mode.E_STOP, lambda o: message)
    then = "an operator has to arm it" if heard.awaits_operator else "a controller that is running takes over at once"
    print(f"{heard.robot} is released: mode {heard.mode.name}; {then}")
    return ExitCode.OK
