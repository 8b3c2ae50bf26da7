"""What must hold in every flight, from its observations: holds in time, commands within the slew limit, no jump."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from launch.chaos.outcome import Requirement, at_most, none_of
from mpc_controller.bus.messages import Event, Mode, Observation, Plan, Truth
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solution import Status

_SHORTEST_HOLD_NS = 20_000_000
_NOT_LED = 10.0  # % of the ticks: a machine that is busy with other things may itself be late with plans


def hold_delays_ms(observations: Sequence[Observation]) -> list[float]:
    """Of every hold that ended a followed plan: from the observation that the plan answers to the hold, a tick before it
    shows."""
    delays = []
    for followed, held in pairwise(observations):
        if followed.plan_sequence and held.mode is Mode.HOLD:
            tick_ns = held.time_ns - followed.time_ns
            delays.append((held.time_ns - tick_ns - (followed.time_ns - followed.plan_age_ns)) * 1e-6)
    return delays


def longest_hold_ms(observations: Sequence[Observation]) -> float:
    """What the plant allows: max(3 plan periods, 20 ms)."""
    return max(3 * observations[-1].plan_period_ns, _SHORTEST_HOLD_NS) * 1e-6


def largest_step(observations: Sequence[Observation], robot: Robot) -> float:
    """The largest change of a command from tick to tick, relative to the slew limit."""
    commands = np.array([o.control for o in observations])
    step = robot.control_slew / robot.plant_rate_hz
    return float((np.abs(np.diff(commands, axis=0)) / step).max(initial=0.0))


def held_in_time(observations: Sequence[Observation]) -> Requirement:
    """HOLD within max(3 plan periods, 20 ms), each time."""
    limit_ms, delays = longest_hold_ms(observations), hold_delays_ms(observations)
    worst = max(delays, default=float("nan"))
    text = f"HOLD within {limit_ms:g} ms, each time"
    return Requirement(text, f"{worst:.1f} ms at most, {len(delays)} holds", bool(delays) and worst <= limit_ms + 1e-6)


def within_slew(steps: Sequence[float]) -> Requirement:
    """No command beyond the slew limit."""
    return at_most("no command step above the slew limit", max(steps, default=float("nan")), 1 + 1e-9, "of the limit")


def tracking_cost(truths: Sequence[Truth], plans: Sequence[Plan], task: Task) -> float:
    """Mean square of the true state's errors, by the task's own measure, at the starts of all plans after it has settled."""
    states = {truth.time_ns: truth.state for truth in truths}
    times = np.array(sorted(states))
    squares = []
    for plan in plans:
        if plan.start_ns - plans[0].start_ns < task.settle_s * 1e9 or not Status(plan.status).is_usable:
            continue
        nearest = int(times[np.abs(times - plan.start_ns).argmin()])
        squares.append(sum(error * error for error in task.errors(states[nearest], plan.reference).values()))
    return float(np.mean(squares)) if squares else float("inf")


def totals(events: Sequence[Event]) -> dict[str, int]:
    """What the plant told last of what it counted."""
    told = [event.details for event in events if event.source == "plant" and "rejected_plans" in event.details]
    return {name: int(value) for name, value in told[-1].items()} if told else {}


def whole(observations: Sequence[Observation]) -> Requirement:
    """All observations came, so that nothing happened unseen."""
    lost = sum(b.sequence - a.sequence - 1 for a, b in pairwise(observations))
    return Requirement("every tick was seen", f"{lost} of {len(observations) + lost} not", lost == 0)


def led_by_one(observations: Sequence[Observation]) -> tuple[Requirement, Requirement]:
    """All along the same controller leads, and its plans are followed."""
    epoch = observations[0].plan_epoch
    others = sum(o.plan_epoch != epoch for o in observations)
    share = 100 * sum(not o.mode.follows_plans for o in observations) / len(observations)
    return (
        none_of("no other controller leads, ever", others, len(observations)),
        at_most("the rightful one is followed all along", share, _NOT_LED, "% of the ticks not"),
    )
