"""A quadrotor of the Crazyflie 2.1 class."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from mpc_controller.model.dynamics import DisturbedDynamics
from mpc_controller.robot import Robot
from robots.quadrotor import tasks
from robots.quadrotor.dynamics import QuadrotorDynamics
from robots.quadrotor.excitation import excitation
from robots.quadrotor.hold import hover_in_place
from robots.quadrotor.mjcf_parameters import mjcf_changes
from robots.quadrotor.residual import residual_port

_PLANT_RATE_HZ = 500.0
# m/s² and rad/s²: a mass 20 % off or drag at 3 m/s, a centre of mass 1 mm off; far below the push of the ground (9.8 m/s²).
_DISTURBANCE_LIMITS = (3.0,) * 3 + (20.0,) * 3


def robot() -> Robot:
    nominal = QuadrotorDynamics()
    dynamics = DisturbedDynamics(nominal, nominal.state_names[7:13], _DISTURBANCE_LIMITS)
    return Robot(
        name="quadrotor",
        description="Crazyflie 2.1 class, 27 g, commanded by four thrusts",
        dynamics=dynamics,
        measured=dynamics.state_names[:13],
        control_lower=np.zeros(4),
        control_upper=np.full(4, tasks.THRUST_LIMIT),
        control_slew=np.full(4, 60.0),  # N/s: limit to limit in 2.5 ms; take-off from standstill asks for two thirds of it
        neutral=np.zeros(4),
        plant_rate_hz=_PLANT_RATE_HZ,
        control_rate_hz=100.0,
        mjcf=Path(__file__).with_name("quadrotor.xml"),
        tasks={
            "hover": partial(tasks.hover, dynamics),
            "waypoints": partial(tasks.waypoints, dynamics),
            "figure-eight": partial(tasks.figure_eight, dynamics),
            **{f"swoop-{pace}" if pace else "swoop": partial(tasks.swoop, dynamics, pace) for pace in tasks.SWOOP_RATES},
        },
        default_task="figure-eight",
        hold=hover_in_place(dynamics),
        passive_without_plan=True,
        measurement_std=np.array([1e-3] * 3 + [2e-3] * 3 + [1e-2] * 3 + [2e-2] * 3),
        process_std=np.array([1e-4] * 3 + [1e-4] * 3 + [0.1] * 3 + [0.5] * 3 + [1e-3] * 4),
        disturbance_std=np.array([2.0] * 3 + [5.0] * 3),
        mjcf_changes=mjcf_changes,
        excitation=excitation,
        residual_port=residual_port(),
    )
