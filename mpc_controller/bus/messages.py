"""What is said on the bus, as plain data. `bus/wire.proto` is the same contract for other languages.

Times are int64 nanoseconds of the plant's monotonic clock unless a name says otherwise. Arrays are float64, SI units.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final, final

from mpc_controller.arrays import Array, IntArray

LARGEST_EPOCH: Final = 2**64 - 1  # that a message can hold


@final
class Mode(enum.IntEnum):
    """The ladder of the plant node. E_STOP is latched."""

    NOMINAL = 0
    STALE_PLAN = 1
    HOLD = 2
    E_STOP = 3

    @property
    def follows_plans(self) -> bool:
        """Whether a plan makes the commands."""
        return self in (Mode.NOMINAL, Mode.STALE_PLAN)


@final
@dataclass(frozen=True)
class Observation:
    """What the plant measured at `time_ns`, and what it was doing.

    measured: the robot's measured states, in the order of Robot.measured. control (nu,): the command applied since the
    observation before. plan_epoch: the controller that is in charge, or was last (0: none ever). plan_sequence: the plan that
    made the command (0 when none did), plan_age_ns: its age since the observation that it answers. plan_period_ns: how often
    the plant expects plans (0: it does not say). latency_ns: for the last accepted plan, from the observation that it answers
    to its arrival, measured on the plant's clock (−1 when none yet). awaits_operator: nobody may lead before an Arm came.
    """

    robot: str
    model_hash: str
    sequence: int
    time_ns: int
    measured: Array
    control: Array
    mode: Mode
    plan_epoch: int
    plan_sequence: int
    plan_age_ns: int
    latency_ns: int
    lock_step: bool = False
    plan_period_ns: int = 0
    awaits_operator: bool = False


@final
class Claim(enum.IntEnum):
    """What a plan says about a plant that its controller does not lead."""

    NONE = 0
    IF_FREE = 1  # to lead it, where no other controller's plans are followed
    TAKE_OVER = 2  # to lead it from now on


@final
@dataclass(frozen=True)
class Plan:
    """A trajectory with gains, in answer to one observation.

    times (N+1,) ns; states (N+1, nx); controls (N, nu); gains (N, nu, ndx). A failed solve is sent too, with its status and
    no trajectory (empty arrays): the plant decides. valid_until_ns: after it the plan must not be used. reference (nr,): the
    wanted row at times[0]. tracking: named errors of the estimate against it. claim: whether it asks for the plant.
    """

    robot: str
    model_hash: str
    epoch: int
    sequence: int
    answers_sequence: int
    start_ns: int
    valid_until_ns: int
    status: int
    times: IntArray
    states: Array
    controls: Array
    gains: Array
    reference: Array
    estimate: Array
    disturbance: Array
    tracking: dict[str, float]
    cost: float
    iterations: int
    qp_iterations: int
    worst_constraint: str
    solve_time_ns: int
    loop_time_ns: int
    deadline_missed: bool
    task: str
    solver: str
    claim: Claim = Claim.NONE


@final
@dataclass(frozen=True)
class Truth:
    """A simulator's true state (nx,), for judging only; a real robot sends none."""

    sequence: int
    time_ns: int
    state: Array


@final
@dataclass(frozen=True)
class Reference:
    """From an operator: replaces the task's reference by this row (nr,) until `until_ns`."""

    sequence: int
    until_ns: int
    reference: Array


@final
@dataclass(frozen=True)
class ParameterUpdate:
    """From an operator or an identifier: new values by name (model parameters, weights, bounds), used from the next plan.

    residual: the bytes of a residual's file (model/residual/residual_file.py); none leaves the residual as it is.
    """

    sequence: int
    values: dict[str, float]
    residual: bytes = b""


@final
@dataclass(frozen=True)
class EStop:
    """From an operator: stop now, latched. clear=True unlatches."""

    sequence: int
    clear: bool = False


@final
@dataclass(frozen=True)
class Arm:
    """From an operator: controllers may lead the robot. It answers an observation that awaits this, and no older one.

    observed_ns: that observation's time, by which a plant that was started again knows that it is not one of its own.
    """

    robot: str
    answers_sequence: int
    observed_ns: int


@final
class EventKind(enum.IntEnum):
    """What an Event tells."""

    MODE_CHANGE = 0
    REJECTED = 1
    SAFETY = 2
    ESTIMATOR = 3
    SOLVER = 4
    PARAMETERS = 5
    INFO = 6


@final
@dataclass(frozen=True)
class Event:
    """Something worth a line in the log. `count` is how often it happened so far; `details` are names and numbers."""

    kind: EventKind
    time_ns: int
    source: str
    text: str
    count: int = 1
    details: dict[str, str] = field(default_factory=dict)


Message = Observation | Plan | Truth | Reference | ParameterUpdate | EStop | Event | Arm
