"""What a motion of an arm tells of its links' inertias and its joints' friction, by the regressor of its inverse dynamics."""

from __future__ import annotations

from typing import final

import numpy as np
import pinocchio
import scipy.linalg

from mpc_controller.arrays import Array
from mpc_controller.identification.excitation.experiment import excitation_of
from mpc_controller.robot import Robot

_TORQUE_NOISE = 0.01  # of the torque limits
_RANK = 1e-5  # of the largest pivot; below it is rounding, or the 1e-6 rad by which links of a model are not square
_RANDOM_MOTIONS = 60


@final
class ArmRegressor:
    """τ = Y(q, q̇, q̈) π: ten inertial parameters a link (mass, first and second moments), then viscous and Coulomb friction and
    rotor inertia of every joint. Base parameters, those that any motion can tell apart, are found by a QR factorisation with
    pivoting over random motions within the limits of the robot's channels. Source: Gautier, "Numerical calculation of the base
    inertial parameters of robots", 1991.
    """

    def __init__(self, robot: Robot) -> None:
        self._model = pinocchio.buildModelFromMJCF(str(robot.mjcf))
        self._data = self._model.createData()
        self._damping = np.array([p.value for p in robot.dynamics.nominal.parameters if p.name.startswith("damping.")])
        self._torque_std = _TORQUE_NOISE * robot.control_upper
        channels, random = excitation_of(robot).channels, np.random.default_rng(0)
        limits = np.array([[c.amplitude, c.rate, c.acceleration] for c in channels]).T
        q, v, a = random.uniform(-1, 1, (3, _RANDOM_MOTIONS, len(channels))) * limits[:, None]
        Y = self.weighted(q + [c.centre for c in channels], v, a)
        self.scale = 1 / np.maximum(np.linalg.norm(Y, axis=0), 1e-12 * np.linalg.norm(Y))
        _, R, pivots = scipy.linalg.qr(Y * self.scale, mode="economic", pivoting=True)
        diagonal = np.abs(np.diag(R))
        self.base = np.sort(pivots[: int((diagonal > _RANK * diagonal[0]).sum())])

    def weighted(self, q: Array, v: Array, a: Array) -> Array:
        """Y (n joints, parameters) at q, q̇, q̈ (n, joints), in units of the torques' noise."""
        rows = []
        for at_q, at_v, at_a in zip(q, v, a, strict=True):
            inertial = pinocchio.computeJointTorqueRegressor(self._model, self._data, at_q, at_v, at_a)
            friction = np.hstack([np.diag(at_v), np.diag(np.tanh(at_v / 0.02)), np.diag(at_a)])
            rows.append(np.hstack([inertial, friction]) / self._torque_std[:, None])
        return np.vstack(rows)

    def torques(self, q: Array, v: Array, a: Array) -> Array:
        """τ (n, joints) [N m] of the nominal model."""
        return np.array(
            [
                pinocchio.rnea(self._model, self._data, at_q, at_v, at_a) + self._damping * at_v
                for at_q, at_v, at_a in zip(q, v, a, strict=True)
            ]
        )

    def information(self, q: Array, v: Array, a: Array) -> Array:
        """Of the base parameters, each in a unit of its own in which random motions see all alike."""
        Y = (self.weighted(q, v, a) * self.scale)[:, self.base]
        return np.asarray(Y.T @ Y)
