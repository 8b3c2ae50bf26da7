"""A cart-pole of laboratory size."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from mpc_controller.control.safety_gate import JointLimit
from mpc_controller.model.dynamics import DisturbedDynamics
from mpc_controller.robot import Robot
from robots.cartpole import tasks
from robots.cartpole.dynamics import CartpoleDynamics
from robots.cartpole.excitation import excitation
from robots.cartpole.hold import balance_in_place
from robots.cartpole.mjcf_parameters import mjcf_changes
from robots.cartpole.residual import residual_port

_PLANT_RATE_HZ = 500.0
_DISTURBANCE_LIMITS = (5.0, 10.0)  # m/s², rad/s²: a quarter of what full force does

# 20 N stop cart and pole, 1 kg, at 20 m/s²; with 15, swing-ups of a damped cart, at 4.4 m/s, would be braked. Where the pole is
# near upright the hold law catches it, and may need more of the rail than this.
_RAIL = JointLimit("position", "velocity", "m", -tasks.RAIL_END, tasks.RAIL_END, speed=6.0, deceleration=20.0, reaction_s=0.02)


def robot() -> Robot:
    dynamics = DisturbedDynamics(CartpoleDynamics(), ("velocity", "angular_velocity"), _DISTURBANCE_LIMITS)
    return Robot(
        name="cartpole",
        description="cart of 0.8 kg on a 2.6 m rail, with a swinging pole of 0.2 kg and 0.6 m",
        dynamics=dynamics,
        measured=dynamics.state_names,
        control_lower=np.array([-tasks.FORCE_LIMIT]),
        control_upper=np.array([tasks.FORCE_LIMIT]),
        control_slew=np.array([2e4]),  # N/s: limit to limit in 2 ms, as a current-controlled drive does; swing-up needs it
        neutral=np.zeros(1),
        plant_rate_hz=_PLANT_RATE_HZ,
        control_rate_hz=100.0,
        mjcf=Path(__file__).with_name("cartpole.xml"),
        tasks={
            "swing-up": partial(tasks.swing_up, dynamics),
            "balance": partial(tasks.balance, dynamics),
            "step": partial(tasks.step, dynamics),
        },
        default_task="swing-up",
        hold=balance_in_place(dynamics, 1 / _PLANT_RATE_HZ),
        measurement_std=np.array([1e-3, 1e-3, 1e-2, 1e-2]),
        process_std=np.array([1e-3, 1e-3, 0.05, 0.05]),
        disturbance_std=np.array([1.0, 1.0]),
        mjcf_changes=mjcf_changes,
        excitation=excitation,
        residual_port=residual_port(),
        joint_limits=(_RAIL,),
    )
