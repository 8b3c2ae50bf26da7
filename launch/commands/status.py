"""`mpc status`: who is on a robot's bus, and how it goes."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from launch.bus_address import bus_of
from launch.errors import ExitCode
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_json_path, write_json
from launch.signals import StopSignals
from mpc_controller.bus.messages import Event
from mpc_controller.bus.zmq_link import PeerLink
from mpc_controller.node.bus_status import BusListener, BusStatus, ControllerStatus, PlantStatus
from mpc_controller.node.clock_offset import DRIFT_LIMIT, ClockEstimate
from mpc_controller.node.clock_questions import ClockQuestions, may_ask
from mpc_controller.node.statistics import Percentiles
from robots import load_robot

_RULE = "─" * 78
_SOURCE = "status"
_ASK_NS = 100_000_000  # the plant for its time


def status(robot_name: str, endpoint: str | None, listen_s: float, json: str | None, *, watch: bool) -> ExitCode:
    """Listen, and say what was heard; with `watch` again and again. RUN_FAILED when something is not as it should be."""
    check_json_path(json)
    robot = load_robot(robot_name)
    address, endpoints = bus_of(robot.name, endpoint)
    terminal = Terminal()
    questions = ClockQuestions(_SOURCE, _ASK_NS if may_ask(endpoints.credentials) else None)
    with StopSignals() as stop, PeerLink(endpoints, newest_only=()) as link:
        while True:
            listener, end_s = BusListener(), time.monotonic() + listen_s
            while time.monotonic() < end_s and not stop.requested():
                if question := questions.due(time.monotonic_ns()):
                    link.send(question)
                for message in link.receive(0.05):
                    questions.accept(message, time.monotonic_ns())
                    if not (isinstance(message, Event) and message.source == _SOURCE):
                        listener.accept(message, time.monotonic_ns())
            heard = listener.status(time.monotonic_ns(), robot.plant_rate_hz)
            clock = questions.estimate(time.monotonic_ns())
            if json != TO_STDOUT:
                terminal.say(format_status(heard, clock, robot.name, address, listen_s, endpoint))
            if not watch or stop.requested():
                break
    write_json(json, _as_dict(heard, robot.name, endpoint) | {"clock": clock and asdict(clock)})
    return ExitCode.RUN_FAILED if heard.concerns else ExitCode.OK


def _as_dict(heard: BusStatus, robot: str, endpoint: str | None) -> dict[str, Any]:
    plant = asdict(heard.plant) | {"mode": heard.plant.mode.name} if heard.plant else None
    return asdict(heard) | {"plant": plant, "concerns": _concerns(heard, robot, endpoint)}


def _concerns(heard: BusStatus, robot: str, endpoint: str | None) -> list[str]:
    """With commands that can be copied: for this robot, at this address."""
    at = "" if endpoint is None else f" --endpoint {endpoint}"
    return [re.sub(r"`mpc (\w+) ROBOT", rf"`mpc \1 {robot}{at}", sentence) for sentence in heard.concerns]


def format_status(
    heard: BusStatus, clock: ClockEstimate | None, robot: str, address: str, listen_s: float, endpoint: str | None = None
) -> str:
    """As lines. endpoint: the address where it is not the robot's own."""
    lines = [f"{robot} on {address}", _RULE]
    if heard.plant is None and not heard.controllers and not heard.speakers:
        lines.append(f"nobody speaks at {address} within {listen_s:g} s")
    if heard.plant is not None:
        lines += _plant(heard.plant)
        if not heard.plant.lock_step:
            lines.append(_row("  clock", _clock(clock)))
        for controller in heard.controllers:
            lines += ["", *_controller(controller)]
        if not heard.controllers:
            lines += ["", _row("controller", "none sends plans")]
        if heard.speakers:
            said = ", ".join(f"{name} {count}" for name, count in sorted(heard.speakers.items()))
            lines += ["", _row("others, messages", said)]
    lines += [_RULE, *([f"! {sentence}" for sentence in _concerns(heard, robot, endpoint)] or ["all is well"])]
    return "\n".join(lines)


def _plant(plant: PlantStatus) -> Sequence[str]:
    lines = [
        _row("plant", f"{plant.robot} · {plant.mode.name}" + (" · lock-step" if plant.lock_step else "")),
        _row("  observations", f"{_rate(plant.rate_hz, plant.declared_hz)}, {plant.lost} lost, last {_age(plant.age_s)} ago"),
        _row("  later than due", _spread(plant.late_ms, "ms")),
    ]
    counted = {name: count for name, count in plant.counters.items() if count}
    lines.append(_row("  counted since start", _listed(counted) if plant.counters else "not told yet"))
    if plant.health:
        lines.append(_row("  health", ", ".join(f"{name} {value:g}" for name, value in plant.health.items())))
    return lines


def _clock(clock: ClockEstimate | None) -> str:
    """The plant's against this host's monotonic one; nothing depends on it."""
    if clock is None:
        return "not compared: no question came back, as of observers"
    is_known = clock.drift_bound < DRIFT_LIMIT
    drift = f"drift {clock.drift * 1e6:+.0f} ± {clock.drift_bound * 1e6:.0f} ppm" if is_known else "drift not known yet"
    jumps = f", jumped {clock.jumps}×" if clock.jumps else ""
    offset = f"{clock.offset_ns * 1e-6:+.2f} ms" if abs(clock.offset_ns) < 1e9 else f"{clock.offset_ns * 1e-9:+.6f} s"
    return f"this host's {offset} ± {clock.bound_ns * 1e-6:.2f} ms, {drift}{jumps}"


def _controller(controller: ControllerStatus) -> Sequence[str]:
    charge = "in charge" if controller.in_charge else "NOT in charge"
    return [
        _row("controller", f"{controller.task} · {controller.solver} · epoch {controller.epoch} · {charge}"),
        _row("  plans", f"{_rate(controller.rate_hz, controller.declared_hz)}, the last {_age(controller.age_s)} ago"),
        _row("  failed, late", f"{controller.failed}, {controller.missed} of {controller.plans}"),
        _row("  solve time", _spread(controller.solve_us, "µs")),
        _row("  loop time", _spread(controller.loop_us, "µs")),
        *([_row("  age of plans", _spread(controller.plan_age_ms, "ms"))] if controller.in_charge else []),
    ]


def _row(name: str, text: str) -> str:
    return f"{name:<22} {text}"


def _rate(rate_hz: float, declared_hz: float) -> str:
    return f"{rate_hz:.1f}" + (f" of {declared_hz:g} Hz" if declared_hz else " Hz")


def _age(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _spread(spread: Percentiles, unit: str) -> str:
    return f"{spread.p50:.1f} · p99 {spread.p99:.1f} · max {spread.max:.1f} {unit}"


def _listed(counts: dict[str, int]) -> str:
    told = (f"{name.replace('_', ' ').replace('plans.', 'plans: ')} {count}" for name, count in counts.items())
    return ", ".join(told) or "nothing"
