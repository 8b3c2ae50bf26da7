"""`mpc estop`: stop a robot now, or let it go on."""

from __future__ import annotations

import time
from typing import final

from launch.errors import CommandError, ExitCode
from launch.selection import bus_of
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import EStop, Mode, Observation
from mpc_controller.bus.zmq_link import PeerLink
from robots import load_robot

_TIMEOUT_S = 3.0
_REPEAT_S = 0.02


def emergency_stop(robot_name: str, endpoint: str | None, clear: bool) -> ExitCode:
    """Stop whatever plant answers, and say which it is; release only the robot that is named.

    Raises CommandError when no plant answers, when another robot's does, and when it does not obey.
    """
    robot = load_robot(robot_name)
    address, endpoints = bus_of(robot.name, endpoint)
    with PeerLink(endpoints, kinds=(Observation,)) as link:
        plant = _Plant(link, robot.name, address)
        return _release(plant) if clear else _stop(plant)


@final
class _Plant:
    """What is heard of the plant at an address, of which `name` is expected. Raises CommandError when that takes too long."""

    def __init__(self, link: Link, name: str, address: str) -> None:
        self._link, self.name, self.address = link, name, address
        self._deadline = time.monotonic() + _TIMEOUT_S
        self._heard: Observation | None = None

    def answer(self, message: EStop | None = None) -> Observation:
        """Its newest observation, after saying the message to it, again until it is heard."""
        while time.monotonic() < self._deadline:
            if message is not None:
                self._link.send(message)
            for heard in self._link.receive(_REPEAT_S):
                if isinstance(heard, Observation):
                    self._heard = heard
            if self._heard is not None:
                return self._heard
        if self._heard is None:
            raise CommandError(
                f"no plant of '{self.name}' answers at {self.address} within {_TIMEOUT_S:g} s", ExitCode.ENVIRONMENT
            )
        raise CommandError(f"{self._heard.robot} did not obey: its mode is {self._heard.mode.name}", ExitCode.RUN_FAILED)


def _stop(plant: _Plant) -> ExitCode:
    """Say it before anything is heard, and until the observations show that it was: whoever is there should stop."""
    message = EStop(sequence=time.time_ns())
    heard = plant.answer(message)
    while heard.mode is not Mode.E_STOP:
        heard = plant.answer(message)
    print(f"{heard.robot} is stopped: mode {heard.mode.name}", flush=True)
    if heard.robot != plant.name:
        raise CommandError(
            f"the plant at {plant.address} is {heard.robot}, not {plant.name}, which was not reached", ExitCode.ENVIRONMENT
        )
    return ExitCode.OK


def _release(plant: _Plant) -> ExitCode:
    """Hear first who is there and whether it is stopped."""
    heard = plant.answer()
    if heard.robot != plant.name:
        reason = f"the plant at {plant.address} is {heard.robot}, not {plant.name}; it is not released"
        raise CommandError(reason, ExitCode.ENVIRONMENT)
    if heard.mode is not Mode.E_STOP:
        print(f"{heard.robot} is not stopped: mode {heard.mode.name}")
        return ExitCode.OK
    message = EStop(sequence=time.time_ns(), clear=True)
    while heard.mode is Mode.E_STOP:
        heard = plant.answer(message)
    print(f"{heard.robot} is released: mode {heard.mode.name}; a controller that is running takes over at once")
    return ExitCode.OK
