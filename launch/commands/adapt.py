"""`mpc adapt`: learns parameters beside a running controller, and tells it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from launch.bus_address import bus_of, check_role
from launch.child import READY
from launch.errors import ExitCode
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_free, check_json_path, speaker, write_json
from launch.selection import robot_with, task_of
from launch.signals import StopSignals
from mpc_controller.bus.frame import Kind
from mpc_controller.bus.messages import Event, Observation, ParameterUpdate
from mpc_controller.bus.zmq_link import PeerLink
from mpc_controller.control.command_delay import PROVENANCE
from mpc_controller.identification.fit import Standing
from mpc_controller.identification.online import OnlineIdentifier
from mpc_controller.model.parameter_file import save_parameters
from mpc_controller.node.adaptation import Adaptation
from mpc_controller.node.adaptation_node import AdaptationSummary, run_adaptation
from mpc_controller.robot import Robot

_HEARD = (Observation, ParameterUpdate, Event)
_NICENESS = 5  # the loops beside it come first


@final
@dataclass(frozen=True)
class AdaptRequest:
    """The options of `mpc adapt`; names () stands for all parameters that are not known exactly."""

    robot: str
    names: tuple[str, ...]
    rate_hz: float
    plant_rate_hz: float | None
    endpoint: str | None
    parameters: Path | None
    output: Path | None
    force: bool
    duration_s: float | None
    json: str | None


def adapt(request: AdaptRequest) -> ExitCode:
    """Learn until told to stop, or for the duration; then say and save what was learned."""
    check_json_path(request.json)
    if request.output is not None:
        check_free(request.output, request.force)
    say = speaker(request.json)
    robot = robot_with(request.robot, request.parameters, request.plant_rate_hz)
    address, endpoints = bus_of(robot.name, request.endpoint)
    check_role(endpoints, Kind.PARAMETER_UPDATE)
    os.nice(_NICENESS)
    with StopSignals(interrupt=True) as stop:
        identifier = OnlineIdentifier(robot, task_of(robot, None).initial_state, request.names, report=say)
        adaptation = Adaptation(robot, identifier, request.rate_hz)
        with PeerLink(endpoints, newest_only=(), kinds=_HEARD) as link:
            stop.polite()
            say(f"{READY}: learning {', '.join(identifier.names)} of {robot.name} on {address}")
            summary = run_adaptation(adaptation, link, _shower(request.json), stop.within(request.duration_s))
    for line in _table(summary):
        say(line)
    if request.output is not None and summary.learned_s > 0:
        save_parameters(identifier.parameters(_provenance(robot, summary)), request.output, request.force)
        say(f"parameters: {request.output}")
    write_json(request.json, _as_dict(summary, request))
    return ExitCode.OK


def _shower(json_path: str | None) -> Callable[[str, bool], None]:
    """A live line on a terminal; elsewhere only what is news."""
    stream = sys.stderr if json_path == TO_STDOUT else sys.stdout
    terminal = Terminal(stream)

    def show(line: str, is_news: bool) -> None:
        if is_news:
            terminal.say(line)
            stream.flush()
        elif stream.isatty():
            terminal.show(line)

    return show


def _table(summary: AdaptationSummary) -> list[str]:
    """What was learned, a line a parameter."""
    if summary.learned_s == 0:
        return ["nothing was learned: no plans were followed for long enough"]
    width = max(len(e.name) for e in summary.estimates)
    return [
        f"{e.name:<{width}}  {e.nominal:.5g} -> {e.value:.5g} ± {e.half_width:.2g} {e.unit}, told {summary.told[e.name]:.5g}"
        + ("" if e.standing is Standing.IDENTIFIED else f" ({e.standing.value})")
        for e in summary.estimates
    ]


def _provenance(robot: Robot, summary: AdaptationSummary) -> dict[str, Any]:
    before = dict(robot.dynamics.nominal.parameters.provenance)
    return {
        "method": "joint extended Kalman filter beside a running controller (mpc adapt)",
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "robot": robot.name,
        "model_hash": robot.model_hash,
        "observations": summary.observations,
        "learned_s": summary.learned_s,
        "learned": [e.name for e in summary.estimates],
        **({PROVENANCE: robot.control_delay_s} if robot.control_delay_s else {}),
        **({"before": before} if before else {}),
    }


def _as_dict(summary: AdaptationSummary, request: AdaptRequest) -> dict[str, Any]:
    parameters = [
        {
            "name": e.name,
            "unit": e.unit,
            "nominal": e.nominal,
            "value": e.value,
            "half_width": e.half_width,
            "standing": e.standing.value,
            "told": summary.told[e.name],
        }
        for e in summary.estimates
    ]
    return {
        "robot": request.robot,
        "observations": summary.observations,
        "refused": summary.refused,
        "learned_s": summary.learned_s,
        "updates": summary.updates,
        "parameters": parameters,
        "output": request.output if summary.learned_s > 0 else None,
    }
