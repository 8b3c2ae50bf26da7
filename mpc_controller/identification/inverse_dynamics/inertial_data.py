"""Motions of a rigid-body tree with the torques that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.filtering import Filtering, decimated
from mpc_controller.identification.inverse_dynamics.motion import MotionReader
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from mpc_controller.model.rigid_body import RigidBodyDynamics


@final
@dataclass(frozen=True)
class InertialData:
    """One piece: q (K, nq), v, v̇ and τ (K, nv) [N, N m], τ with 0 where nothing drives; of the regression's rows,
    every `decimation`-th is kept behind the same low-pass for all columns, without `trim` rows at both ends."""

    q: Array
    v: Array
    a: Array
    tau: Array
    decimation: int = 1
    trim: int = 0

    def __post_init__(self) -> None:
        K = len(self.q)
        if K == 0 or any(len(rows) != K for rows in (self.v, self.a, self.tau)):
            lengths = ", ".join(str(len(rows)) for rows in (self.q, self.v, self.a, self.tau))
            raise IdentificationError(f"q, v, a and tau have {lengths} rows; they must have the same number, at least 1")
        for name in ("q", "v", "a", "tau"):
            if not np.isfinite(getattr(self, name)).all():
                at = int(np.argmin(np.isfinite(getattr(self, name)).all(axis=1)))
                raise IdentificationError(f"{name} is not finite in row {at}; every row must be finite")

    def kept(self, rows: Array) -> Array:
        """Rows (K, n) of the regression, as they enter it."""
        result = decimated(rows, self.decimation)
        return result[self.trim : len(result) - self.trim] if len(result) > 2 * self.trim + 2 else result


def inertial_data(structure: ModelStructure, logs: Sequence[Log], filtering: Filtering | None = None) -> list[InertialData]:
    """All pieces of logs of a rigid-body tree, filtered and differentiated; IdentificationError for another model."""
    dynamics, filtering = structure.dynamics, filtering or Filtering()
    if not isinstance(dynamics, RigidBodyDynamics):
        raise IdentificationError(f"{structure.name}: its model is no tree of rigid bodies; inertias need a RigidBodyDynamics")
    reader, nq = MotionReader(structure, filtering), dynamics.model.nq
    result = []
    for log in logs:
        for motion in reader.read(log):
            factor = filtering.decimation or max(1, int(1.25 / (motion.period_s * motion.cutoff_hz)))
            efforts = dynamics.efforts(motion.u)
            result.append(
                InertialData(
                    motion.x[:, :nq], motion.x[:, nq:], motion.xdot[:, nq:], efforts, factor, -(-motion.trim // factor)
                )
            )
    return result
