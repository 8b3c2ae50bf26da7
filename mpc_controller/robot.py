"""Data of one machine and of the jobs that it can do. The folder robots/ fills these in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.control.safety_gate import JointLimit
from mpc_controller.model.dynamics import DisturbedDynamics, equations_hash
from mpc_controller.model.parameters import Parameters
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem

if TYPE_CHECKING:
    from mpc_controller.identification.export.changes import ModelChanges


@final
@dataclass(frozen=True)
class Task:
    """One job: a problem, and where the reference comes from.

    `reference(t)` maps times since the task's start (n,) [s] to reference rows (n, nr); it is pure.
    `errors(x, r)` gives the tracking errors of a state (nx,) against a reference row (nr,), named with their unit, for example
    {"position_m": 0.01}. Statistics leave out the first `settle_s`.
    `solver_options` are keyword arguments of the solver that suit this task. `position(x)` gives the point (2 or 3,) [m] that
    follows the first entries of the reference, where the state itself has none (an arm's tool); pictures show its path.
    """

    name: str
    description: str
    problem: OptimalControlProblem
    reference: Callable[[Array], Array]
    errors: Callable[[Array, Array], dict[str, float]]
    initial_state: Array
    duration_s: float
    settle_s: float = 0.0
    solver: str = "multiple-shooting"
    solver_options: Mapping[str, Any] = field(default_factory=dict)
    position: Callable[[Array], Array] | None = None


@final
@dataclass(frozen=True)
class Channel:
    """One quantity that an excitation moves: within centre ± amplitude [unit], and ± rate and ± acceleration [unit/s, unit/s²].

    shape: "multisine" with frequencies in `band` [Hz], or "doublets", up and down for a quarter to half a period of the band.
    """

    name: str
    unit: str
    centre: float
    amplitude: float
    rate: float
    acceleration: float
    band: tuple[float, float]
    shape: str = "multisine"


@final
@dataclass(frozen=True)
class MotionLimit:
    """`value(states (n, nx), controls (n, nu))` gives (n,) or (n, m) that an excitation keeps in [lower, upper] `unit`."""

    name: str
    unit: str
    lower: float
    upper: float
    value: Callable[[Array, Array], Array]


@final
@dataclass(frozen=True)
class Excitation:
    """How a robot may be moved for its parameters to be seen: by another reference for `task`, so that its constraints hold.

    `reference(times (n,), motion (4, n, channels))` gives the rows (n, nr) of the task for values of the channels and their
    first three derivatives. The channels rest at their centres for the first `lead_s`, in which the robot gets there. `usable`
    is a condition on states that the model needs ("" for none), as `mpc identify` takes it. `is_arm`: designed on the regressor
    of the inverse dynamics of the robot's MJCF, with the reference's first entries as joint angles and rates.
    """

    task: str
    channels: tuple[Channel, ...]
    reference: Callable[[Array, Array], Array]
    limits: tuple[MotionLimit, ...]
    lead_s: float
    duration_s: float
    usable: str = ""
    is_arm: bool = False


@final
@dataclass(frozen=True)
class MjcfAdapter:
    """What a robot's MJCF does not say by itself, for robots whose state is not the file's s = (qpos, qvel, act).

    `state(s)` gives the model's state x (nx,), `mjcf_state(x)` is its inverse. `forces(x, p)` gives the generalized forces
    (nv,) [N, N m] on the file's joints that MJCF has no element for, from the state and the nominal model's parameters.
    """

    state: Callable[[Array], Array]
    mjcf_state: Callable[[Array], Array]
    forces: Callable[[Array, Array], Array]


@final
@dataclass(frozen=True)
class Robot:
    """One machine.

    `dynamics` carries the identified parameters (SI) and, through DisturbedDynamics, the disturbance channels. `measured` names
    the states that its sensors give; the others are estimated. `control_slew` [unit/s] is the fastest change that the
    actuators may see. `measurement_std` (tangent entries of the measured states), `process_std` (ndx, per √s) and
    `disturbance_std` (channels, per √s) tune the estimator.

    `hold(state, planned)` is the fallback law on board of the robot: from the measured state (unmeasured entries as planned)
    and the state that the last plan wanted when the hold began (without a plan, the one measured then), the control (nu,)
    that keeps the robot still: it takes a place from `planned`, never speeds. `neutral` is the control (nu,) before any
    measurement. `passive_without_plan` robots keep to it until a plan was followed since the start or the last stop: a
    quadrotor on the ground must not spin its rotors because its battery was plugged in. `mjcf_adapter` is None where
    x = (qpos, qvel, act) of the MJCF. `mjcf_changes(p)` says where the parameters are in the MJCF (None: nobody said yet).
    Commands act `control_delay_s` later than they are sent; an identified number.
    `joint_limits` are those that the plant node keeps of measured states: it calls for `hold` while the robot can still stop.
    `excitation` makes how it may be moved to identify it, `residual_port` says where a learned correction enters (None: nobody
    said yet).
    """

    name: str
    description: str
    dynamics: DisturbedDynamics
    measured: tuple[str, ...]
    control_lower: Array
    control_upper: Array
    control_slew: Array
    neutral: Array
    plant_rate_hz: float
    control_rate_hz: float
    mjcf: Path
    tasks: Mapping[str, Callable[[], Task]]
    default_task: str
    hold: Callable[[Array, Array], Array]
    measurement_std: Array
    process_std: Array
    disturbance_std: Array
    mjcf_adapter: MjcfAdapter | None = None
    passive_without_plan: bool = False
    mjcf_changes: Callable[[Parameters], ModelChanges] | None = None
    control_delay_s: float = 0.0
    excitation: Callable[[], Excitation] | None = None
    residual_port: ResidualPort | None = None
    joint_limits: tuple[JointLimit, ...] = ()

    @cached_property
    def model_hash(self) -> str:
        """Twelve hex digits that controller and plant compare: same equations, names and manifold. Values are left out."""
        return equations_hash(self.name, self.dynamics, self.measured)

    @cached_property
    def measured_indices(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Positions of the measured states in x."""
        return np.array([self.dynamics.state_names.index(n) for n in self.measured], dtype=np.intp)
