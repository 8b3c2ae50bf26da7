"""Whether a plan can be flown by this robot, whoever sent it and whenever it came."""

from __future__ import annotations

import numpy as np

from mpc_controller.bus.messages import Plan
from mpc_controller.control.reject import Reject
from mpc_controller.robot import Robot

# Solvers keep quaternions on the sphere to 1e-9; interpolation and feedback take them as they are.
_UNIT_LENGTH = 1e-6
# Share of a control's range. A solver that was cut at its iteration limit may leave its bounds by as much; the tracker
# saturates what it makes of a plan. More than that was planned for another machine.
_RANGE = 1e-3


def fault_of(plan: Plan, robot: Robot) -> Reject | None:
    """What is wrong inside the plan: sizes, numbers, its own times, quaternions, controls; None when it is sound."""
    if not _right_size(plan, robot):
        return Reject.WRONG_SIZE
    if not all(np.isfinite(a).all() for a in (plan.states, plan.controls, plan.gains)):
        return Reject.NON_FINITE
    if plan.start_ns != plan.times[0]:
        return Reject.WRONG_START
    if plan.valid_until_ns > plan.times[-1]:
        return Reject.WRONG_END
    if not _unit_quaternions(plan, robot):
        return Reject.NO_QUATERNION
    slack = _RANGE * (robot.control_upper - robot.control_lower)
    if (plan.controls < robot.control_lower - slack).any() or (plan.controls > robot.control_upper + slack).any():
        return Reject.OUT_OF_RANGE
    return None


def detail_of(reason: Reject, plan: Plan, robot: Robot) -> str:
    """Which fields a plan was refused for, where the reason alone does not say so; '' where it does."""
    if reason is Reject.NON_FINITE:
        fields = {"states": plan.states, "controls": plan.controls, "gains": plan.gains}
        return ", ".join(name for name, values in fields.items() if not np.isfinite(values).all())
    if reason is Reject.WRONG_SIZE:
        d = robot.dynamics
        given = ", ".join(str(a.shape[-1]) for a in (plan.states, plan.controls, plan.gains))
        return f"nx, nu, ndx = {given}; this robot has {d.nx}, {d.nu}, {d.manifold.ndx}"
    return ""


def _right_size(plan: Plan, robot: Robot) -> bool:
    """Shapes fit each other and the robot, and times rise."""
    d = robot.dynamics
    n = len(plan.times) - 1
    return (
        n >= 1
        and plan.states.shape == (n + 1, d.nx)
        and plan.controls.shape == (n, d.nu)
        and plan.gains.shape == (n, d.nu, d.manifold.ndx)
        and bool((plan.times[1:] > plan.times[:-1]).all())
    )


def _unit_quaternions(plan: Plan, robot: Robot) -> bool:
    """A quaternion of zeros would silently switch the feedback of attitude off."""
    for start in robot.dynamics.manifold.quaternions:
        block = plan.states[:, start : start + 4]
        if np.abs(block).max() > 2.0 or not (np.abs(np.linalg.norm(block, axis=1) - 1.0) <= _UNIT_LENGTH).all():
            return False
    return True
