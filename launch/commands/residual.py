"""`mpc residual`: another residual for a controller that is running."""

from __future__ import annotations

import time
from pathlib import Path

from launch.bus_address import bus_of, check_role
from launch.errors import CommandError, ExitCode
from mpc_controller.bus.frame import Kind
from mpc_controller.bus.messages import Event, EventKind, Observation, ParameterUpdate
from mpc_controller.bus.zmq_link import PeerLink
from mpc_controller.model.residual.residual_file import described, load_residual, residual_bytes
from robots import load_robot

_TIMEOUT_S = 3.0
_WAIT_S = 0.05
_AGAIN_S = 0.5


def swap_residual(robot_name: str, path: Path, endpoint: str | None) -> ExitCode:
    """Say it on the robot's bus, and what its controller answers.

    Raises ResidualError for a file that is none, CommandError when no plant speaks, the controller refuses, or none answers.
    """
    robot, residual = load_robot(robot_name), load_residual(path)
    address, endpoints = bus_of(robot.name, endpoint)
    check_role(endpoints, Kind.PARAMETER_UPDATE)
    sequence = time.time_ns()
    update = ParameterUpdate(sequence, {}, residual_bytes(residual))
    deadline, is_said = time.monotonic() + _TIMEOUT_S, False
    next_s = 0.0  # when to say it again: a message may get lost, and to hear it twice changes nothing
    with PeerLink(endpoints, kinds=(Observation, Event)) as link:
        while (now_s := time.monotonic()) < deadline:
            if is_said and now_s >= next_s:
                link.send(update)
                next_s = now_s + _AGAIN_S
            for heard in link.receive(_WAIT_S):
                if isinstance(heard, Observation) and not is_said:
                    if heard.robot != robot.name:
                        reason = f"the plant at {address} is {heard.robot}, not {robot.name}; nothing was said"
                        raise CommandError(reason, ExitCode.ENVIRONMENT)
                    is_said = True  # connected both ways now
                elif (
                    isinstance(heard, Event)
                    and heard.kind is EventKind.PARAMETERS
                    and heard.text.startswith(f"update {sequence}")
                ):
                    return _told(heard.text.removeprefix(f"update {sequence}"), robot.name, described(residual))
    what = "controller" if is_said else "plant"
    raise CommandError(f"no {what} of '{robot.name}' answers at {address} within {_TIMEOUT_S:g} s", ExitCode.ENVIRONMENT)


def _told(answer: str, robot: str, residual: str) -> ExitCode:
    if answer.startswith(" refused: "):
        raise CommandError(f"the controller of {robot} refused it: {answer.removeprefix(' refused: ')}", ExitCode.RUN_FAILED)
    print(f"{robot} plans with it: {residual}", flush=True)
    return ExitCode.OK
