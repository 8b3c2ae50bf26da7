"""Estimators by the name that users type. An estimator: one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpc_controller.arrays import Array
from mpc_controller.control.estimator import Estimator
from mpc_controller.control.extended_kalman_filter import ExtendedKalmanFilter
from mpc_controller.control.passthrough import Passthrough
from mpc_controller.control.predictor import Predictor
from mpc_controller.robot import Robot

ESTIMATORS: Mapping[str, Callable[[Robot, Predictor, Array], Estimator]] = {
    "ekf": ExtendedKalmanFilter,
    "passthrough": Passthrough,
}
