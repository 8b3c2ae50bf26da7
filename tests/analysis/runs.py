"""Made-up runs of the mass on rails, with known errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Event, EventKind, Message, Mode, Observation, Plan, Truth

START = 5_000_000_000  # ns
TICK = 2_000_000
TICKS_A_PLAN = 5
LATENCY = 1_000_000  # so that a plan starts between two truths


def observation(k: int, mode: Mode = Mode.NOMINAL, control: Array | None = None, plan_age_ns: int = 0) -> Observation:
    u = np.array([1.0, -2.0]) if control is None else control
    return Observation("slider", "hash", k, START + k * TICK, np.zeros(4), u, mode, 1, 1, plan_age_ns, LATENCY)


def plan(
    k: int, *, status: int = 0, reference: Array | None = None, estimate: Array | None = None, solve_time_ns: int = 100_000
) -> Plan:
    """In answer to observation k."""
    start = START + k * TICK + LATENCY
    return Plan(
        robot="slider",
        model_hash="hash",
        epoch=1,
        sequence=k + 1,
        answers_sequence=k,
        start_ns=start,
        valid_until_ns=start + 10**8,
        status=status,
        times=np.zeros(0, dtype=np.int64),
        states=np.zeros((0, 4)),
        controls=np.zeros((0, 2)),
        gains=np.zeros((0, 2, 4)),
        reference=np.zeros(2) if reference is None else reference,
        estimate=np.zeros(4) if estimate is None else estimate,
        disturbance=np.zeros(0),
        tracking={},
        cost=0.0,
        iterations=1,
        qp_iterations=4,
        worst_constraint="",
        solve_time_ns=solve_time_ns,
        loop_time_ns=2 * solve_time_ns,
        deadline_missed=solve_time_ns > 1_000_000,
        task="track",
        solver="multiple-shooting",
    )


def flight(x_of: Callable[[float], float], ticks: int = 1000, truth: bool = True) -> list[Message]:
    """A run that should stay at the origin and is at x_of(seconds since the first plan's start); estimates are 1 m off."""
    messages: list[Message] = []
    for k in range(ticks):
        seconds = (k * TICK - LATENCY) * 1e-9
        x = np.array([x_of(seconds), 0.0, 0.0, 0.0])
        messages.append(observation(k, plan_age_ns=(k % TICKS_A_PLAN) * TICK))
        if truth:
            messages.append(Truth(k, START + k * TICK, x))
        if k % TICKS_A_PLAN == 0:
            messages.append(plan(k, estimate=x + np.array([1.0, 0, 0, 0])))
    return messages


def event(kind: EventKind, k: int, text: str, count: int = 1, **details: str) -> Event:
    return Event(kind, START + k * TICK, "plant", text, count, details)
