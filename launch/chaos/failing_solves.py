"""Solves that fail for a while: the last plan while it is valid, then HOLD, and back at once."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from launch.chaos.checks import held_in_time, largest_step, whole, within_slew
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Requirement, Scale, all_of, at_most
from mpc_controller.bus.messages import Mode, Observation, Plan
from mpc_controller.solvers.solution import Status
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "hover"
_COUNTS = (1, 2, 3, 5, 10, 30, 100, 300, 1000, 2000)
_FLOWN_FIRST = 100  # solves between two failures
_BACK_TICKS = 3


def failing(scale: Scale) -> Outcome:
    """1 to 2000 failing solves in a row."""
    counts = _COUNTS[: scale.times(len(_COUNTS), 5)]
    schedule, at = [], _FLOWN_FIRST
    for count in counts:
        schedule.append((at, count))
        at += count + _FLOWN_FIRST
    with tempfile.TemporaryDirectory(prefix="mpc-chaos-") as folder:
        path = Path(folder) / "schedule"
        path.write_text("\n".join(f"{start} {count}" for start, count in schedule))
        with Flight(_ROBOT, _TASK) as flight:
            flight.start_module("launch.chaos.failing_controller", _ROBOT, _TASK, flight.address, str(path))
            scale.report(f"{', '.join(map(str, counts))} solves in a row fail")
            flight.fly(1)
            flight.listen_until(round(at * 5), lambda o: True)
            flight.stop_plant()
    observations = flight.observations
    failed = len({(plan.epoch, plan.sequence) for plan in flight.plans if _is_made(plan)})  # some may be said again
    back = _ticks_until_followed(flight)
    # After two failures the next plan is three periods behind the last one, and its latency.
    few, followed = _followed_through(observations), sum(count <= 1 for count in counts)
    return Outcome(
        f"the solver fails for {counts[0]} to {counts[-1]} plans in a row",
        len(counts),
        (
            all_of("every failure is told with its status", failed, sum(counts)),
            Requirement(
                "a plan is followed on while it is valid",
                f"{few} of {followed} short failures without a HOLD",
                few >= followed,
            ),
            held_in_time(observations),
            at_most("back within 3 ticks of the first good plan's start", max(back, default=99), _BACK_TICKS, "ticks"),
            within_slew([largest_step(observations, load_robot(_ROBOT))]),
            whole(observations),
        ),
    )


def _is_made(plan: Plan) -> bool:
    """Whether a failure is one of ours; a busy machine may have its own, which are cut by the deadline."""
    return Status(plan.status) is Status.DIVERGED


def _ticks_until_followed(flight: Flight) -> list[int]:
    """From the start of each first good plan after failed ones to the tick whose command it makes."""
    ticks = []
    for before, after in pairwise(flight.plans):
        if not _is_made(before) or not Status(after.status).is_usable:
            continue
        later = [o for o in flight.observations if o.time_ns >= after.start_ns]
        place = next((k for k, o in enumerate(later) if o.plan_sequence >= after.sequence), None)
        if place is not None:
            ticks.append(place)
    return ticks


def _followed_through(observations: list[Observation]) -> int:
    """Times that the plant went from a stale plan to a fresh one without a hold."""
    modes = [o.mode for o in observations]
    changes = [b for a, b in pairwise(modes) if a is not b]
    return sum(a is Mode.STALE_PLAN and b is Mode.NOMINAL for a, b in pairwise([Mode.NOMINAL, *changes]))
