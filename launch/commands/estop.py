"""`mpc estop`: stop a robot now, or let it go on."""

from __future__ import annotations

from launch.bus_address import bus_of, check_role
from launch.errors import CommandError, ExitCode
from launch.heard_plant import HeardPlant
from mpc_controller.bus.frame import Kind
from mpc_controller.bus.messages import EStop, Mode, Observation
from mpc_controller.bus.zmq_link import PeerLink
from robots import check_robot


def emergency_stop(robot_name: str, endpoint: str | None, clear: bool) -> ExitCode:
    """Stop whatever plant answers, and say which it is; release only the robot that is named.

    Raises CommandError when no plant answers, when another robot's does, and when it does not obey.
    """
    check_robot(robot_name)
    address, endpoints = bus_of(robot_name, endpoint)
    check_role(endpoints, Kind.E_STOP, release=clear)
    with PeerLink(endpoints, kinds=(Observation,)) as link:
        plant = HeardPlant(link, robot_name, address)
        return _release(plant) if clear else _stop(plant)


def _stop(plant: HeardPlant) -> ExitCode:
    """Say it before anything is heard, and until the observations show that it was: whoever is there should stop."""
    message = EStop(sequence=plant.time_ns)
    plant.answer(message)
    heard = plant.until(lambda o: o.mode is Mode.E_STOP, lambda o: message)
    # Words are numbered by the plant's clock, which all operators share: no release from before this may end it.
    plant.answer(EStop(sequence=heard.time_ns + 1))
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
    heard = plant.until(lambda o: o.mode is not Mode.E_STOP, lambda o: EStop(sequence=o.time_ns + 2, clear=True))
    then = "an operator has to arm it" if heard.awaits_operator else "a controller that is running takes over at once"
    print(f"{heard.robot} is released: mode {heard.mode.name}; {then}")
    return ExitCode.OK
