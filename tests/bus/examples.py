"""One message of every kind, and strategies that draw any."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra import numpy as hnp

from mpc_controller.bus.messages import (
    Arm,
    Claim,
    EStop,
    Event,
    EventKind,
    Message,
    Mode,
    Observation,
    ParameterUpdate,
    Plan,
    Reference,
    Truth,
)

OBSERVATION = Observation(
    robot="cartpole",
    model_hash="0123456789ab",
    sequence=7,
    time_ns=3_000_000_000,
    measured=np.array([0.5, -1.0]),
    control=np.array([2.0]),
    mode=Mode.HOLD,
    plan_epoch=1,
    plan_sequence=4,
    plan_age_ns=20_000_000,
    latency_ns=-1,
    lock_step=True,
    plan_period_ns=10_000_000,
    awaits_operator=True,
)

PLAN = Plan(
    robot="cartpole",
    model_hash="0123456789ab",
    epoch=1,
    sequence=5,
    answers_sequence=7,
    start_ns=3_000_000_000,
    valid_until_ns=3_020_000_000,
    status=1,
    times=np.array([3_000_000_000, 3_010_000_000, 3_020_000_000]),
    states=np.array([[0.0, 1.0], [0.25, 1.5], [0.5, 2.0]]),
    controls=np.array([[1.0], [-1.0]]),
    gains=np.array([[[-2.0, -0.5]], [[-1.0, -0.25]]]),
    reference=np.array([1.0]),
    estimate=np.array([0.0, 1.0]),
    disturbance=np.array([0.125]),
    tracking={"angle_rad": 0.5, "position_m": 0.25},
    cost=1.5,
    iterations=1,
    qp_iterations=3,
    worst_constraint="control[0]",
    solve_time_ns=200_000,
    loop_time_ns=300_000,
    deadline_missed=True,
    task="balance",
    solver="multiple-shooting",
    claim=Claim.TAKE_OVER,
)

FAILED_PLAN = dataclasses.replace(
    PLAN, status=3, times=np.zeros(0, np.int64), states=np.zeros((0, 0)), controls=np.zeros((0, 0)), gains=np.zeros((0, 0, 0))
)

TRUTH = Truth(7, 3_000_000_000, np.array([0.5, -1.0, 0.25]))

EXAMPLES: dict[str, Message] = {
    "observation": OBSERVATION,
    "plan": PLAN,
    "plan without a trajectory": FAILED_PLAN,
    "truth": TRUTH,
    "reference": Reference(2, 4_000_000_000, np.array([1.0, 0.0])),
    "parameter update": ParameterUpdate(3, {"mass": 0.027, "weight.position[0]": 10.0}),
    "e-stop": EStop(1),
    "e-stop, cleared": EStop(2, clear=True),
    "arm": Arm("cartpole", 7, 3_000_000_000),
    "event": Event(EventKind.MODE_CHANGE, 3_000_000_000, "plant", "NOMINAL to HOLD: no plan", 2, {"plan_age_ms": "21"}),
}


def observation(sequence: int) -> Observation:
    """The example observation with another sequence."""
    return dataclasses.replace(OBSERVATION, sequence=sequence)


def plan(sequence: int) -> Plan:
    """The example plan with another sequence."""
    return dataclasses.replace(PLAN, sequence=sequence)


def plan_of(n: int, nx: int, nu: int, ndx: int) -> Plan:
    """A plan of any size."""
    states, controls, gains = np.ones((n + 1, nx)), np.ones((n, nu)), np.ones((n, nu, ndx))
    return dataclasses.replace(PLAN, times=np.arange(n + 1), states=states, controls=controls, gains=gains)


def names(messages: Sequence[Message]) -> list[str]:
    """The classes of messages."""
    return [type(m).__name__ for m in messages]


def assert_same(actual: Message, expected: Message) -> None:
    """Same class, same fields, arrays equal in type, shape and every bit of meaning (NaN equals NaN)."""
    assert type(actual) is type(expected)
    for field in dataclasses.fields(expected):
        a, e = getattr(actual, field.name), getattr(expected, field.name)
        if isinstance(e, np.ndarray):
            assert a.dtype == e.dtype, field.name
            np.testing.assert_array_equal(a, e, err_msg=field.name, strict=True)
        else:
            np.testing.assert_equal(a, e, err_msg=field.name)


int64 = st.integers(-(2**63), 2**63 - 1)
uint64 = st.integers(0, 2**64 - 1)
uint32 = st.integers(0, 2**32 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
floats = st.floats(width=64)
vectors = hnp.arrays(np.float64, st.integers(0, 6), elements=floats)
numbers = st.dictionaries(text, floats, max_size=3)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n, nx, nu, ndx = (draw(st.integers(1, 4)) for _ in range(4))

    def matrix(*shape: int) -> Any:
        return draw(hnp.arrays(np.float64, shape, elements=floats))

    times = np.array(sorted(draw(st.lists(int64, min_size=n + 1, max_size=n + 1, unique=True))), np.int64)
    trajectory = (times, matrix(n + 1, nx), matrix(n, nu), matrix(n, nu, ndx))
    head = (text, text, uint64, uint64, uint64, int64, int64, st.integers(0, 5))
    tail = (vectors, vectors, vectors, numbers, floats, uint32, uint32, text, int64, int64, st.booleans(), text, text)
    claims = st.sampled_from(Claim)
    values: list[Any] = [*map(draw, head), *trajectory, *map(draw, tail), draw(claims)]
    return Plan(*values)


messages = st.one_of(
    st.builds(
        Observation,
        text,
        text,
        uint64,
        int64,
        vectors,
        vectors,
        st.sampled_from(Mode),
        uint64,
        uint64,
        int64,
        int64,
        st.booleans(),
        int64,
        st.booleans(),
    ),
    plans(),
    st.builds(Truth, uint64, int64, vectors),
    st.builds(Reference, uint64, int64, vectors),
    st.builds(ParameterUpdate, uint64, numbers),
    st.builds(EStop, uint64, st.booleans()),
    st.builds(Arm, text, uint64, int64),
    st.builds(Event, st.sampled_from(EventKind), int64, text, text, uint64, st.dictionaries(text, text, max_size=3)),
)
