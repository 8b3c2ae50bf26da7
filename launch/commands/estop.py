"""`mpc estop`: stop a robot now, or let it go on."""

from __future__ import annotations

import time

from launch.errors import CommandError, ExitCode
from launch.selection import bus_of
from mpc_controller.bus.messages import EStop, Mode, Observation
from mpc_controller.bus.zmq_link import PeerLink
from robots import load_robot

_TIMEOUT_S = 3.0
_REPEAT_S = 0.02


def emergency_stop(robot_name: str, endpoint: str | None, clear: bool) -> ExitCode:
    """Say it until the plant's observations show that it was heard. Raises CommandError when no plant answers."""
    robot = load_robot(robot_name)
    address, endpoints = bus_of(robot.name, endpoint)
    deadline = time.monotonic() + _TIMEOUT_S
    message = EStop(sequence=time.time_ns(), clear=clear)
    heard: Observation | None = None
    with PeerLink(endpoints, kinds=(Observation,)) as link:
        while time.monotonic() < deadline:
            link.send(message)
            for observation in link.receive(_REPEAT_S):
                if isinstance(observation, Observation):
                    heard = observation
            if heard is not None and (heard.mode is Mode.E_STOP) is not clear:
                print(f"{robot.name} is {'released' if clear else 'stopped'}: mode {heard.mode.name}")
                return ExitCode.OK
    if heard is None:
        raise CommandError(f"no plant of '{robot.name}' answers at {address} within {_TIMEOUT_S:g} s", ExitCode.ENVIRONMENT)
    raise CommandError(f"{robot.name} did not obey: its mode is {heard.mode.name}", ExitCode.RUN_FAILED)
