"""Between the messages as plain data and the frames of docs/wire.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, final

import numpy as np
from google.protobuf.message import DecodeError

from mpc_controller.arrays import Array
from mpc_controller.bus import wire_pb2 as wire
from mpc_controller.bus.fields import check_field_count
from mpc_controller.bus.frame import LARGEST_OTHER, Kind, WireError, unwrap, wrap
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

V = TypeVar("V")

# Of a payload larger than LARGEST_OTHER. A plan has 30 and one per tracking error.
_MOST_FIELDS: Final = 256
_MOST_TRACKING_ERRORS: Final = 64
# What Protobuf and NumPy raise for numbers, text and sizes that they can't hold.
_FOREIGN_ERRORS: Final = (DecodeError, ValueError, TypeError, ArithmeticError, MemoryError)


@final
@dataclass(frozen=True)
class Stream:
    """One row of the table of messages.

    `plant_only`: peers must not send it on `in`. `plant_time_ns` gives the time on the plant's clock that a wire message
    carries, None for those without one.
    """

    kind: Kind
    message: type[Message]
    wire: Any
    topic: str
    plant_only: bool
    to_wire: Callable[[Any], Any]
    from_wire: Callable[[Any], Message]
    plant_time_ns: Callable[[Any], int | None]


def encode(message: Message) -> bytes:
    """The frame of a message. Raises WireError (shape, value, size) when it can't be sent as it is."""
    stream = _BY_MESSAGE[type(message)]
    try:
        payload = stream.to_wire(message).SerializeToString(deterministic=True)
    except WireError:
        raise
    except _FOREIGN_ERRORS as error:
        raise WireError("value", f"{stream.kind.name} can't be sent: {error}") from error
    return wrap(stream.kind, payload)


def decode(frame: bytes) -> Message:
    """The message of a frame. Raises WireError; numbers that are not finite are no error here: nodes count and refuse them."""
    kind, payload = unwrap(frame)
    stream = STREAMS[kind]
    return interpret(stream, parse(stream, payload))


def parse(stream: Stream, payload: bytes) -> Any:
    """The Protobuf message of a payload. Raises WireError (payload, shape)."""
    if len(payload) > LARGEST_OTHER:
        check_field_count(payload, _MOST_FIELDS)
    try:
        return stream.wire.FromString(payload)
    except _FOREIGN_ERRORS as error:
        raise WireError("payload", f"{stream.kind.name} payload is not the protobuf message: {error}") from error


def interpret(stream: Stream, parsed: Any) -> Message:
    """The message of a Protobuf message. Raises WireError (shape, value, payload)."""
    try:
        return stream.from_wire(parsed)
    except WireError:
        raise
    except _FOREIGN_ERRORS as error:
        raise WireError("payload", f"{stream.kind.name} payload can't be read: {error}") from error


def _observation_to_wire(m: Observation) -> Any:
    return wire.Observation(
        robot=m.robot,
        model_hash=m.model_hash,
        sequence=m.sequence,
        time_ns=m.time_ns,
        measured=m.measured.tolist(),
        control=m.control.tolist(),
        mode=wire.Mode.Name(m.mode),
        plan_epoch=m.plan_epoch,
        plan_sequence=m.plan_sequence,
        plan_age_ns=m.plan_age_ns,
        latency_ns=m.latency_ns,
        lock_step=m.lock_step,
        plan_period_ns=m.plan_period_ns,
        awaits_operator=m.awaits_operator,
    )


def _observation_from_wire(w: Any) -> Observation:
    return Observation(
        robot=w.robot,
        model_hash=w.model_hash,
        sequence=w.sequence,
        time_ns=w.time_ns,
        measured=_array(w.measured),
        control=_array(w.control),
        mode=_member(Mode, w.mode, "OBSERVATION mode"),
        plan_epoch=w.plan_epoch,
        plan_sequence=w.plan_sequence,
        plan_age_ns=w.plan_age_ns,
        latency_ns=w.latency_ns,
        lock_step=w.lock_step,
        plan_period_ns=w.plan_period_ns,
        awaits_operator=w.awaits_operator,
    )


def _plan_to_wire(m: Plan) -> Any:
    intervals, nx, nu, ndx = _plan_sizes(m)
    _check_tracking(m.tracking)
    return wire.Plan(
        robot=m.robot,
        model_hash=m.model_hash,
        epoch=m.epoch,
        sequence=m.sequence,
        answers_sequence=m.answers_sequence,
        start_ns=m.start_ns,
        valid_until_ns=m.valid_until_ns,
        status=wire.SolveStatus.Name(m.status),
        intervals=intervals,
        nx=nx,
        nu=nu,
        ndx=ndx,
        times_ns=m.times.tolist(),
        states=m.states.ravel().tolist(),
        controls=m.controls.ravel().tolist(),
        gains=m.gains.ravel().tolist(),
        reference=m.reference.tolist(),
        estimate=m.estimate.tolist(),
        disturbance=m.disturbance.tolist(),
        tracking=m.tracking,
        cost=m.cost,
        iterations=m.iterations,
        qp_iterations=m.qp_iterations,
        worst_constraint=m.worst_constraint,
        solve_time_ns=m.solve_time_ns,
        loop_time_ns=m.loop_time_ns,
        deadline_missed=m.deadline_missed,
        task=m.task,
        solver=m.solver,
        claim=wire.Claim.Name(m.claim),
    )


def _plan_from_wire(w: Any) -> Plan:
    n, nx, nu, ndx = w.intervals, w.nx, w.nu, w.ndx
    points = n + 1 if n else 0
    times = np.array(w.times_ns, dtype=np.int64)
    if len(times) != points:
        raise WireError("shape", f"PLAN with {n} intervals has {len(times)} times; expected {points}")
    if any(bool(size) != bool(n) for size in (nx, nu, ndx)):
        expected = "at least 1 each" if n else "zeros"
        raise WireError("shape", f"PLAN with {n} intervals has nx, nu, ndx = {nx}, {nu}, {ndx}; expected {expected}")
    _check_tracking(w.tracking)
    if n and not (times[1:] > times[:-1]).all():
        raise WireError("value", "PLAN times do not ascend")
    return Plan(
        robot=w.robot,
        model_hash=w.model_hash,
        epoch=w.epoch,
        sequence=w.sequence,
        answers_sequence=w.answers_sequence,
        start_ns=w.start_ns,
        valid_until_ns=w.valid_until_ns,
        status=w.status,
        times=times,
        states=_shaped(w.states, (points, nx), "PLAN states (N+1, nx)"),
        controls=_shaped(w.controls, (n, nu), "PLAN controls (N, nu)"),
        gains=_shaped(w.gains, (n, nu, ndx), "PLAN gains (N, nu, ndx)"),
        reference=_array(w.reference),
        estimate=_array(w.estimate),
        disturbance=_array(w.disturbance),
        tracking=_dict(w.tracking),
        cost=w.cost,
        iterations=w.iterations,
        qp_iterations=w.qp_iterations,
        worst_constraint=w.worst_constraint,
        solve_time_ns=w.solve_time_ns,
        loop_time_ns=w.loop_time_ns,
        deadline_missed=w.deadline_missed,
        task=w.task,
        solver=w.solver,
        claim=_member(Claim, w.claim, "PLAN claim"),
    )


def _plan_sizes(m: Plan) -> tuple[int, int, int, int]:
    """N, nx, nu, ndx of a plan; zeros when it has no trajectory, whatever the shapes of its empty arrays."""
    arrays = (m.times, m.states, m.controls, m.gains)
    if not any(a.size for a in arrays):
        return 0, 0, 0, 0
    shapes = tuple(a.shape for a in arrays)
    if m.states.ndim == 2 and m.gains.ndim == 3 and len(m.times) > 1:
        n, nu, ndx = m.gains.shape
        nx = m.states.shape[1]
        if 0 not in (nx, nu, ndx) and shapes == ((n + 1,), (n + 1, nx), (n, nu), (n, nu, ndx)):
            return n, nx, nu, ndx
    raise WireError(
        "shape",
        "PLAN times, states, controls, gains have shapes {}, {}, {}, {}; expected (N+1,), (N+1, nx), (N, nu), "
        "(N, nu, ndx) without zeros, or all empty".format(*shapes),
    )


def _check_tracking(errors: Mapping[str, float]) -> None:
    if len(errors) > _MOST_TRACKING_ERRORS:
        raise WireError("shape", f"PLAN has {len(errors)} tracking errors; at most {_MOST_TRACKING_ERRORS} are allowed")


def _truth_from_wire(w: Any) -> Truth:
    return Truth(w.sequence, w.time_ns, _array(w.state))


def _reference_from_wire(w: Any) -> Reference:
    return Reference(w.sequence, w.until_ns, _array(w.reference))


def _event_from_wire(w: Any) -> Event:
    kind = _member(EventKind, w.kind, "EVENT kind")
    return Event(kind, w.time_ns, w.source, w.text, w.count, _dict(w.details))


def _event_to_wire(m: Event) -> Any:
    return wire.Event(
        kind=wire.EventKind.Name(m.kind), time_ns=m.time_ns, source=m.source, text=m.text, count=m.count, details=m.details
    )


def _array(values: Any) -> Array:
    return np.array(values, dtype=np.float64)


def _shaped(values: Any, shape: tuple[int, ...], what: str) -> Array:
    array = _array(values)
    expected = math.prod(shape)
    if array.size != expected:
        raise WireError("shape", f"{what} has {array.size} entries; its sizes {shape} ask for {expected}")
    return array.reshape(shape)


def _dict(entries: Mapping[str, V]) -> dict[str, V]:
    """Sorted by name, so that equal messages decode alike in every process."""
    return dict(sorted(entries.items()))


def _member(members: type[Any], value: int, what: str) -> Any:
    try:
        return members(value)
    except ValueError:
        known = ", ".join(f"{int(m)} ({m.name})" for m in members)
        raise WireError("value", f"{what} is {value}; known are {known}") from None


STREAMS: Mapping[Kind, Stream] = {
    stream.kind: stream
    for stream in (
        Stream(
            Kind.OBSERVATION,
            Observation,
            wire.Observation,
            "/observation",
            True,
            _observation_to_wire,
            _observation_from_wire,
            lambda w: w.time_ns,
        ),
        Stream(Kind.PLAN, Plan, wire.Plan, "/plan", False, _plan_to_wire, _plan_from_wire, lambda w: w.start_ns),
        Stream(
            Kind.TRUTH,
            Truth,
            wire.Truth,
            "/truth",
            True,
            lambda m: wire.Truth(sequence=m.sequence, time_ns=m.time_ns, state=m.state.tolist()),
            _truth_from_wire,
            lambda w: w.time_ns,
        ),
        Stream(
            Kind.REFERENCE,
            Reference,
            wire.Reference,
            "/reference",
            False,
            lambda m: wire.Reference(sequence=m.sequence, until_ns=m.until_ns, reference=m.reference.tolist()),
            _reference_from_wire,
            lambda w: None,
        ),
        Stream(
            Kind.PARAMETER_UPDATE,
            ParameterUpdate,
            wire.ParameterUpdate,
            "/parameter_update",
            False,
            lambda m: wire.ParameterUpdate(sequence=m.sequence, values=m.values, residual=m.residual),
            lambda w: ParameterUpdate(w.sequence, _dict(w.values), w.residual),
            lambda w: None,
        ),
        Stream(
            Kind.E_STOP,
            EStop,
            wire.EStop,
            "/e_stop",
            False,
            lambda m: wire.EStop(sequence=m.sequence, clear=m.clear),
            lambda w: EStop(w.sequence, w.clear),
            lambda w: None,
        ),
        Stream(Kind.EVENT, Event, wire.Event, "/event", False, _event_to_wire, _event_from_wire, lambda w: w.time_ns),
        Stream(
            Kind.ARM,
            Arm,
            wire.Arm,
            "/arm",
            False,
            lambda m: wire.Arm(robot=m.robot, answers_sequence=m.answers_sequence, observed_ns=m.observed_ns),
            lambda w: Arm(w.robot, w.answers_sequence, w.observed_ns),
            lambda w: None,
        ),
    )
}

_BY_MESSAGE: Mapping[type, Stream] = {stream.message: stream for stream in STREAMS.values()}


def kind_of(message: type[Message]) -> Kind:
    """The kind of a message class."""
    return _BY_MESSAGE[message].kind
