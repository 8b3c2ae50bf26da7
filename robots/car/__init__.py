"""A 1:10 race car."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import DisturbedDynamics
from mpc_controller.robot import Robot
from robots.car import tasks
from robots.car.dynamics import BicycleDynamics
from robots.car.excitation import excitation
from robots.car.mjcf_adapter import mjcf_adapter
from robots.car.mjcf_parameters import mjcf_changes
from robots.car.residual import residual_port

_BRAKING_LIMIT = 7.0  # N; 1.9 m/s², within the rear tyres' grip at full steering
_BRAKING_GAIN = 25.0  # N s/m; the last 0.3 m/s die out within half a second, without a jerk at standstill


def robot() -> Robot:
    dynamics = DisturbedDynamics(BicycleDynamics(), ("forward_speed", "yaw_rate"))
    limits = np.array([tasks.DRIVE_FORCE_LIMIT, tasks.STEERING_RATE_LIMIT])
    return Robot(
        name="car",
        description="1:10 race car of 3.7 kg, rear-wheel drive, in a lane 2 m wide",
        dynamics=dynamics,
        measured=("x", "y", "yaw", "forward_speed", "yaw_rate", "steering"),
        control_lower=-limits,
        control_upper=limits,
        control_slew=2 * limits / 0.004,  # from limit to limit in 4 ms, what a current-controlled motor does
        neutral=np.zeros(2),
        plant_rate_hz=500.0,
        control_rate_hz=100.0,
        mjcf=Path(__file__).with_name("car.xml"),
        tasks={
            "pass-obstacle": partial(tasks.pass_obstacle, dynamics),
            "lane-keep": partial(tasks.lane_keep, dynamics),
        },
        default_task="pass-obstacle",
        hold=_brake,
        measurement_std=np.array([0.005, 0.005, 0.005, 0.02, 0.02, 0.002]),
        process_std=np.array([1e-3, 1e-3, 1e-3, 0.05, 0.1, 0.2, 1e-3]),
        disturbance_std=np.array([0.5, 1.0]),
        mjcf_changes=mjcf_changes,
        mjcf_adapter=mjcf_adapter(dynamics.nominal.parameters),
        excitation=excitation,
        residual_port=residual_port(),
    )


def _brake(state: Array, planned: Array) -> Array:
    """Brake to a standstill with the steering as it is: F = −k v within ±7 N."""
    force = float(np.clip(-_BRAKING_GAIN * state[3], -_BRAKING_LIMIT, _BRAKING_LIMIT))
    return np.array([force, 0.0])
