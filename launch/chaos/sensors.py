"""Sensors that freeze, spike or die, and time that goes back: noticed within 100 ms, by the plant or by the controller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from launch.chaos.checks import largest_step, within_slew
from launch.chaos.faulty_plant import SOURCE, Failure
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Requirement, Scale, none_of
from mpc_controller.bus.messages import EStop, Event
from robots import load_robot

_NOTICED_MS = 100.0
_BETWEEN = 100  # ticks
_BETWEEN_LIKE = 600  # ticks: a node tells of one kind once a second
_LONG = 200  # ticks
_AFTERWARDS = 50
_PLANT = "launch.chaos.faulty_plant"
# What is said of each.
_TOLD = {
    "spiking": "measurement rejected",
    "late-observations": "came late",
    "clock-back": "the clock went back",
    "frozen": "frozen: ",
    "lost": "finite numbers are needed",
}
_STOPPING = ("frozen", "lost")


def sensors(scale: Scale) -> Outcome:
    """Each robot with one sensor after the other; what stops a robot that falls then has a flight of its own."""
    flights = [("car", "lane-keep", _failures("car", ["y"]) * scale.times(5, 1))]
    others = [("quadrotor", "hover", "position_z"), ("arm", "reach", "joint2"), ("cartpole", "balance", "angle")]
    for robot, task, state in others[: scale.times(len(others), 0)]:
        failures = _failures(robot, [state])
        going_on = [failure for failure in failures if failure.what not in _STOPPING]
        stopping = [failure for failure in failures if failure.what in _STOPPING]
        flights += [(robot, task, [*going_on, stopping[0]]), *((robot, task, [failure]) for failure in stopping[1:])]
    delays_ms: dict[str, list[float]] = {}
    steps, backwards, total = [], 0, 0
    for name, task, failures in flights:
        with TemporaryDirectory(prefix="mpc-chaos-") as folder:
            orders = Path(folder) / "orders.json"
            with Flight(name, task, None, "--orders", str(orders), plant=_PLANT) as flight:
                _fly(flight, failures, orders, scale, name)
                steps.append(largest_step(flight.observations, load_robot(name)))
                honest = [o.time_ns for o in flight.truths]
                backwards += sum(b <= a for a, b in pairwise(honest))
                total += len(honest)
                for what, delay_ms in _delays_ms(flight.events):
                    delays_ms.setdefault(what, []).append(delay_ms)
    times = sum(len(failures) for _, _, failures in flights)
    return Outcome(
        "sensors frozen, spiking, one or all lost, time that goes back",
        times,
        (
            *(_noticed(what, found) for what, found in delays_ms.items()),
            none_of("the plant's time never goes back", backwards, total),
            within_slew(steps),
        ),
    )


def _failures(robot: str, states: Sequence[str]) -> list[Failure]:
    """All kinds, those last that stop the robot."""
    one = tuple(states)
    return [
        Failure("spiking", _LONG, one, size=0.5),
        Failure("late-observations", 5, by_s=0.02),
        Failure("clock-back", 1, by_s=3600.0),
        Failure("frozen", _LONG, one),
        Failure("lost", _LONG, one),
        Failure("lost", _LONG, load_robot(robot).measured),
    ]


def _fly(flight: Flight, failures: Sequence[Failure], orders: Path, scale: Scale, name: str) -> None:
    """One failure after the other; an operator lets the robot go on after each that stopped it, but for the last."""
    flight.start_controller()
    for k, failure in enumerate(failures):
        is_like = k > 0 and failure.what in _STOPPING and failures[k - 1].what in _STOPPING
        flight.fly(_BETWEEN_LIKE if is_like else _BETWEEN)
        which = failure.states[0] if len(failure.states) == 1 else f"{len(failure.states)} sensors"
        scale.report(f"{name}: {failure.what} {which if failure.states else ''}")
        failure.order(orders)
        flight.listen_until(failure.ticks + _AFTERWARDS, lambda o: True)
        if failure.what in _STOPPING and k + 1 < len(failures):
            flight.send(EStop(k + 1, clear=True))


def _delays_ms(events: Sequence[Event]) -> list[tuple[str, float]]:
    """Of every failure: what it was, and how long until it was told, by the plant's clock."""
    delays = []
    for k, event in enumerate(events):
        if event.source == SOURCE:
            told = next((e.time_ns for e in events[k + 1 :] if _TOLD[event.text] in e.text), None)
            delays.append((event.text, math.inf if told is None else max(0.0, (told - event.time_ns) * 1e-6)))
    return delays


def _noticed(what: str, delays_ms: Sequence[float]) -> Requirement:
    worst = max(delays_ms)
    text = f"{what}: noticed within {_NOTICED_MS:g} ms"
    return Requirement(text, f"{worst:.0f} ms at most, {len(delays_ms)} times", worst <= _NOTICED_MS)
