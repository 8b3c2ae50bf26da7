from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_NONE: _ClassVar[Kind]
    KIND_OBSERVATION: _ClassVar[Kind]
    KIND_PLAN: _ClassVar[Kind]
    KIND_TRUTH: _ClassVar[Kind]
    KIND_REFERENCE: _ClassVar[Kind]
    KIND_PARAMETER_UPDATE: _ClassVar[Kind]
    KIND_E_STOP: _ClassVar[Kind]
    KIND_EVENT: _ClassVar[Kind]
    KIND_ARM: _ClassVar[Kind]

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_NOMINAL: _ClassVar[Mode]
    MODE_STALE_PLAN: _ClassVar[Mode]
    MODE_HOLD: _ClassVar[Mode]
    MODE_E_STOP: _ClassVar[Mode]

class SolveStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOLVE_STATUS_CONVERGED: _ClassVar[SolveStatus]
    SOLVE_STATUS_ITERATION_LIMIT: _ClassVar[SolveStatus]
    SOLVE_STATUS_DEADLINE: _ClassVar[SolveStatus]
    SOLVE_STATUS_INFEASIBLE: _ClassVar[SolveStatus]
    SOLVE_STATUS_DIVERGED: _ClassVar[SolveStatus]
    SOLVE_STATUS_NUMERICAL_FAILURE: _ClassVar[SolveStatus]

class Claim(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLAIM_NONE: _ClassVar[Claim]
    CLAIM_IF_FREE: _ClassVar[Claim]
    CLAIM_TAKE_OVER: _ClassVar[Claim]

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_MODE_CHANGE: _ClassVar[EventKind]
    EVENT_KIND_REJECTED: _ClassVar[EventKind]
    EVENT_KIND_SAFETY: _ClassVar[EventKind]
    EVENT_KIND_ESTIMATOR: _ClassVar[EventKind]
    EVENT_KIND_SOLVER: _ClassVar[EventKind]
    EVENT_KIND_PARAMETERS: _ClassVar[EventKind]
    EVENT_KIND_INFO: _ClassVar[EventKind]
KIND_NONE: Kind
KIND_OBSERVATION: Kind
KIND_PLAN: Kind
KIND_TRUTH: Kind
KIND_REFERENCE: Kind
KIND_PARAMETER_UPDATE: Kind
KIND_E_STOP: Kind
KIND_EVENT: Kind
KIND_ARM: Kind
MODE_NOMINAL: Mode
MODE_STALE_PLAN: Mode
MODE_HOLD: Mode
MODE_E_STOP: Mode
SOLVE_STATUS_CONVERGED: SolveStatus
SOLVE_STATUS_ITERATION_LIMIT: SolveStatus
SOLVE_STATUS_DEADLINE: SolveStatus
SOLVE_STATUS_INFEASIBLE: SolveStatus
SOLVE_STATUS_DIVERGED: SolveStatus
SOLVE_STATUS_NUMERICAL_FAILURE: SolveStatus
CLAIM_NONE: Claim
CLAIM_IF_FREE: Claim
CLAIM_TAKE_OVER: Claim
EVENT_KIND_MODE_CHANGE: EventKind
EVENT_KIND_REJECTED: EventKind
EVENT_KIND_SAFETY: EventKind
EVENT_KIND_ESTIMATOR: EventKind
EVENT_KIND_SOLVER: EventKind
EVENT_KIND_PARAMETERS: EventKind
EVENT_KIND_INFO: EventKind

class Observation(_message.Message):
    __slots__ = ("robot", "model_hash", "sequence", "time_ns", "measured", "control", "mode", "plan_epoch", "plan_sequence", "plan_age_ns", "latency_ns", "lock_step", "plan_period_ns", "awaits_operator")
    ROBOT_FIELD_NUMBER: _ClassVar[int]
    MODEL_HASH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PLAN_EPOCH_FIELD_NUMBER: _ClassVar[int]
    PLAN_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PLAN_AGE_NS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_NS_FIELD_NUMBER: _ClassVar[int]
    LOCK_STEP_FIELD_NUMBER: _ClassVar[int]
    PLAN_PERIOD_NS_FIELD_NUMBER: _ClassVar[int]
    AWAITS_OPERATOR_FIELD_NUMBER: _ClassVar[int]
    robot: str
    model_hash: str
    sequence: int
    time_ns: int
    measured: _containers.RepeatedScalarFieldContainer[float]
    control: _containers.RepeatedScalarFieldContainer[float]
    mode: Mode
    plan_epoch: int
    plan_sequence: int
    plan_age_ns: int
    latency_ns: int
    lock_step: bool
    plan_period_ns: int
    awaits_operator: bool
    def __init__(self, robot: _Optional[str] = ..., model_hash: _Optional[str] = ..., sequence: _Optional[int] = ..., time_ns: _Optional[int] = ..., measured: _Optional[_Iterable[float]] = ..., control: _Optional[_Iterable[float]] = ..., mode: _Optional[_Union[Mode, str]] = ..., plan_epoch: _Optional[int] = ..., plan_sequence: _Optional[int] = ..., plan_age_ns: _Optional[int] = ..., latency_ns: _Optional[int] = ..., lock_step: _Optional[bool] = ..., plan_period_ns: _Optional[int] = ..., awaits_operator: _Optional[bool] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("robot", "model_hash", "epoch", "sequence", "answers_sequence", "start_ns", "valid_until_ns", "status", "intervals", "nx", "nu", "ndx", "times_ns", "states", "controls", "gains", "reference", "estimate", "disturbance", "tracking", "cost", "iterations", "qp_iterations", "worst_constraint", "solve_time_ns", "loop_time_ns", "deadline_missed", "task", "solver", "claim")
    class TrackingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ROBOT_FIELD_NUMBER: _ClassVar[int]
    MODEL_HASH_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    NX_FIELD_NUMBER: _ClassVar[int]
    NU_FIELD_NUMBER: _ClassVar[int]
    NDX_FIELD_NUMBER: _ClassVar[int]
    TIMES_NS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    CONTROLS_FIELD_NUMBER: _ClassVar[int]
    GAINS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    DISTURBANCE_FIELD_NUMBER: _ClassVar[int]
    TRACKING_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    QP_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    WORST_CONSTRAINT_FIELD_NUMBER: _ClassVar[int]
    SOLVE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    LOOP_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MISSED_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SOLVER_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    robot: str
    model_hash: str
    epoch: int
    sequence: int
    answers_sequence: int
    start_ns: int
    valid_until_ns: int
    status: SolveStatus
    intervals: int
    nx: int
    nu: int
    ndx: int
    times_ns: _containers.RepeatedScalarFieldContainer[int]
    states: _containers.RepeatedScalarFieldContainer[float]
    controls: _containers.RepeatedScalarFieldContainer[float]
    gains: _containers.RepeatedScalarFieldContainer[float]
    reference: _containers.RepeatedScalarFieldContainer[float]
    estimate: _containers.RepeatedScalarFieldContainer[float]
    disturbance: _containers.RepeatedScalarFieldContainer[float]
    tracking: _containers.ScalarMap[str, float]
    cost: float
    iterations: int
    qp_iterations: int
    worst_constraint: str
    solve_time_ns: int
    loop_time_ns: int
    deadline_missed: bool
    task: str
    solver: str
    claim: Claim
    def __init__(self, robot: _Optional[str] = ..., model_hash: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., answers_sequence: _Optional[int] = ..., start_ns: _Optional[int] = ..., valid_until_ns: _Optional[int] = ..., status: _Optional[_Union[SolveStatus, str]] = ..., intervals: _Optional[int] = ..., nx: _Optional[int] = ..., nu: _Optional[int] = ..., ndx: _Optional[int] = ..., times_ns: _Optional[_Iterable[int]] = ..., states: _Optional[_Iterable[float]] = ..., controls: _Optional[_Iterable[float]] = ..., gains: _Optional[_Iterable[float]] = ..., reference: _Optional[_Iterable[float]] = ..., estimate: _Optional[_Iterable[float]] = ..., disturbance: _Optional[_Iterable[float]] = ..., tracking: _Optional[_Mapping[str, float]] = ..., cost: _Optional[float] = ..., iterations: _Optional[int] = ..., qp_iterations: _Optional[int] = ..., worst_constraint: _Optional[str] = ..., solve_time_ns: _Optional[int] = ..., loop_time_ns: _Optional[int] = ..., deadline_missed: _Optional[bool] = ..., task: _Optional[str] = ..., solver: _Optional[str] = ..., claim: _Optional[_Union[Claim, str]] = ...) -> None: ...

class Truth(_message.Message):
    __slots__ = ("sequence", "time_ns", "state")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    time_ns: int
    state: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, sequence: _Optional[int] = ..., time_ns: _Optional[int] = ..., state: _Optional[_Iterable[float]] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("sequence", "until_ns", "reference")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    until_ns: int
    reference: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, sequence: _Optional[int] = ..., until_ns: _Optional[int] = ..., reference: _Optional[_Iterable[float]] = ...) -> None: ...

class ParameterUpdate(_message.Message):
    __slots__ = ("sequence", "values", "residual")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    RESIDUAL_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    values: _containers.ScalarMap[str, float]
    residual: bytes
    def __init__(self, sequence: _Optional[int] = ..., values: _Optional[_Mapping[str, float]] = ..., residual: _Optional[bytes] = ...) -> None: ...

class EStop(_message.Message):
    __slots__ = ("sequence", "clear")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    clear: bool
    def __init__(self, sequence: _Optional[int] = ..., clear: _Optional[bool] = ...) -> None: ...

class Arm(_message.Message):
    __slots__ = ("robot", "answers_sequence", "observed_ns")
    ROBOT_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_NS_FIELD_NUMBER: _ClassVar[int]
    robot: str
    answers_sequence: int
    observed_ns: int
    def __init__(self, robot: _Optional[str] = ..., answers_sequence: _Optional[int] = ..., observed_ns: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("kind", "time_ns", "source", "text", "count", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    kind: EventKind
    time_ns: int
    source: str
    text: str
    count: int
    details: _containers.ScalarMap[str, str]
    def __init__(self, kind: _Optional[_Union[EventKind, str]] = ..., time_ns: _Optional[int] = ..., source: _Optional[str] = ..., text: _Optional[str] = ..., count: _Optional[int] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...
