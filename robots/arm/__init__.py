"""A 7-joint arm of the Panda class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.control.safety_gate import JointLimit
from mpc_controller.model.dynamics import DisturbedDynamics
from mpc_controller.robot import Robot
from robots.arm import tasks
from robots.arm.dynamics import MJCF, arm_dynamics
from robots.arm.excitation import excitation
from robots.arm.mjcf_parameters import mjcf_changes
from robots.arm.numeric import NumericArm
from robots.arm.residual import residual_port

# N m/rad and N m s/rad: the joint impedance gains of Franka's own example controllers (franka_ros).
_STIFFNESS = np.array([600.0, 600.0, 600.0, 600.0, 250.0, 150.0, 50.0])
_DAMPING = np.array([50.0, 50.0, 50.0, 50.0, 30.0, 25.0, 15.0])
# rad/s²: with these the hold law stops every joint in time from its speed limit, at any posture, with any torques before, and
# while the others move (2000 random cases for the first two joints, which carry most: 13.2 and 5.5 at worst; 800 for the
# others). The largest accelerations in the data sheet are 15, 7.5, 10, 12.5, 15, 20, 20.
_DECELERATION = (10.0, 4.5, 10.0, 12.5, 15.0, 20.0, 20.0)
_REACTION_S = 0.02  # from limit to limit of the torques
_DISTURBANCE_LIMIT = 20.0  # rad/s²: a payload of 3 kg, or four times the friction, at full speed


def robot() -> Robot:
    nominal = arm_dynamics()
    model = nominal.model
    dynamics = DisturbedDynamics(nominal, nominal.state_names[7:], (_DISTURBANCE_LIMIT,) * 7)
    return Robot(
        name="arm",
        description="7-joint arm of the Panda class with a hand, commanded by joint torques",
        dynamics=dynamics,
        measured=dynamics.state_names,
        control_lower=-tasks.TORQUE_LIMIT,
        control_upper=tasks.TORQUE_LIMIT,
        control_slew=2 * tasks.TORQUE_LIMIT / 0.02,  # N m/s: limit to limit in 20 ms
        neutral=NumericArm().gravity_torque(tasks.HOME),
        plant_rate_hz=500.0,
        control_rate_hz=100.0,
        mjcf=MJCF,
        tasks={
            "joint-reach": partial(tasks.joint_reach, dynamics),
            "reach": partial(tasks.reach, dynamics, model),
            "circle": partial(tasks.circle, dynamics, model),
            "circle-fast": partial(tasks.circle, dynamics, model, "fast"),
            "circle-faster": partial(tasks.circle, dynamics, model, "faster"),
        },
        default_task="circle",
        hold=_hold(),
        measurement_std=np.array([1e-4] * 7 + [5e-3] * 7),
        process_std=np.array([1e-4] * 7 + [0.05] * 7),
        disturbance_std=np.full(7, 5.0),
        mjcf_changes=mjcf_changes,
        excitation=excitation,
        residual_port=residual_port(nominal),
        joint_limits=_joint_limits(nominal.state_names),
    )


def _joint_limits(names: tuple[str, ...]) -> tuple[JointLimit, ...]:
    ranges = zip(
        tasks.ANGLE_LOWER.tolist(), tasks.ANGLE_UPPER.tolist(), tasks.VELOCITY_LIMIT.tolist(), _DECELERATION, strict=True
    )
    return tuple(
        JointLimit(angle, rate, "rad", *numbers, _REACTION_S)
        for angle, rate, numbers in zip(names[:7], names[7:], ranges, strict=True)
    )


def _hold() -> Callable[[Array, Array], Array]:
    """Joint impedance about the angles of the last plan, with gravity carried: u = g(q) + K (q_planned − q) − D q̇."""
    arm = NumericArm()

    def hold(state: Array, planned: Array) -> Array:
        q, rate = state[:7], state[7:]
        torque = arm.gravity_torque(q) + _STIFFNESS * (planned[:7] - q) - _DAMPING * rate
        return np.clip(torque, -tasks.TORQUE_LIMIT, tasks.TORQUE_LIMIT)

    return hold
