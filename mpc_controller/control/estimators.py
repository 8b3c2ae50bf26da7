"""Estimators by the name that users type. An estimator: one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.control.estimator import Estimator
from mpc_controller.control.extended_kalman_filter import ExtendedKalmanFilter
from mpc_controller.control.passthrough import Passthrough
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.slow_parameters import disturbances_of
from mpc_controller.robot import Robot


def _without_disturbance(robot: Robot, predictor: Predictor, initial_state: Array) -> Estimator:
    """The filter of the state alone: what the model leaves out stays unknown. For comparison."""
    slow = disturbances_of(robot)
    none = np.zeros(len(slow.names))
    slow = replace(slow, start_std=none, walk_std=none, lower=none, upper=none)
    return ExtendedKalmanFilter(robot, predictor, initial_state, slow=slow)


ESTIMATES_DISTURBANCE = "ekf"
ESTIMATORS: Mapping[str, Callable[[Robot, Predictor, Array], Estimator]] = {
    ESTIMATES_DISTURBANCE: ExtendedKalmanFilter,
    "ekf-without-disturbance": _without_disturbance,
    "passthrough": Passthrough,
}
