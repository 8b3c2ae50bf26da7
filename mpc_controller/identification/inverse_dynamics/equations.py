"""The equations of a model as a regression: errors and their derivatives by the estimated parameters, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.filtering import Filtering, decimated
from mpc_controller.identification.inverse_dynamics.motion import Motion, MotionReader
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.inverse_dynamics import InverseDynamics
from mpc_controller.native.batched_function import BatchedFunction

_SPARED = 1.25  # decimated rows hold frequencies up to 0.4 of the low-pass's cutoff, which it has changed by less than 0.1 %


@final
class Equations:
    """e(x, ẋ, u, p) = 0 of a structure's model, filtered and decimated in parallel.

    Of an InverseDynamics, its own equations of force. Of any other model, ẋ_i − f_i(x, u, p) = 0 on the rows that hold
    an estimated parameter, in units of the states' derivatives. `names`: of the equations. `affine`: one Gauss-Newton step
    from anywhere is the answer. The constructor compiles.
    """

    def __init__(
        self, structure: ModelStructure, filtering: Filtering, report: Callable[[str], None] = lambda line: None
    ) -> None:
        self.structure, self._filtering = structure, filtering
        self._reader = MotionReader(structure, filtering)
        dynamics = structure.dynamics
        self.columns = [dynamics.parameters.index(name) for name in structure.estimated]
        x, xdot, u, p = (
            ca.SX.sym(n, size) for n, size in zip("xdup", (dynamics.nx, dynamics.nx, dynamics.nu, dynamics.np), strict=True)
        )
        estimated = p[self.columns]
        error, self.names = _error(dynamics, x, xdot, u, p, estimated, self._reader.driven)
        jacobian = ca.jacobian(error, estimated)
        self.affine = not ca.depends_on(jacobian, estimated)
        without = ca.substitute(error, u, ca.SX.zeros(dynamics.nu, 1)) if dynamics.nu else error
        outputs = ca.cse([ca.densify(error), ca.densify(ca.vec(jacobian.T)), ca.densify(without)])
        function = ca.Function("equations", [x, xdot, u, p], outputs)
        self._function = BatchedFunction(function, f"the equations of {structure.name}", shared=[3], report=report)

    def read(self, logs: Sequence[Log]) -> list[Motion]:
        """All pieces of all logs; IdentificationError where there is none or a piece has not the structure's signals."""
        if not logs:
            raise IdentificationError(f"{self.structure.name}: no logs given; least squares need at least one")
        return [motion for log in logs for motion in self._reader.read(log)]

    def evaluate(self, motion: Motion, p: Array) -> tuple[Array, Array, Array]:
        """e (n, ne), ∂e/∂p of the estimated ones (n, ne, np), and the part of e that the controls make (n, ne)."""
        error, jacobian, without = self._function(motion.x, motion.xdot, motion.u, p)
        if not (np.isfinite(error).all() and np.isfinite(jacobian).all()):
            at = int(np.argmin(np.isfinite(error).all(axis=1) & np.isfinite(jacobian).all(axis=1)))
            raise IdentificationError(f"{self.structure.name}: the model's equations are not finite at {motion.times[at]:g} s")
        rows = np.concatenate([error, error - without, jacobian], axis=1)
        kept = decimated(rows, self._factor(motion))
        skip = -(-motion.trim // self._factor(motion))
        kept = kept[skip : len(kept) - skip] if len(kept) > 2 * skip + 2 else kept
        ne = len(self.names)
        return kept[:, :ne], kept[:, 2 * ne :].reshape(len(kept), ne, -1), kept[:, ne : 2 * ne]

    def _factor(self, motion: Motion) -> int:
        given = self._filtering.decimation
        return given if given is not None else max(1, int(_SPARED / (motion.period_s * motion.cutoff_hz)))


def _error(
    dynamics: Dynamics, x: ca.SX, xdot: ca.SX, u: ca.SX, p: ca.SX, estimated: ca.SX, driven: Sequence[int]
) -> tuple[ca.SX, tuple[str, ...]]:
    """The equations that hold an estimated parameter, and their names."""
    if isinstance(dynamics, InverseDynamics):
        error = dynamics.equation_error(x, xdot, u, p)
        names = [_driven_name(dynamics, error[i], u) or f"equation {i + 1}" for i in range(error.numel())]
        valid = list(range(error.numel()))
    else:
        error = xdot - dynamics.xdot(x, u, p)
        names = [f"d({name})/dt" for name in dynamics.state_names]
        valid = [i for i in range(error.numel()) if i not in driven]
    rows = [i for i in valid if ca.depends_on(error[i], estimated)]
    if not rows:
        raise IdentificationError(
            f"{dynamics.name}: none of the equations that the measured states close holds an estimated parameter; "
            "measure more states, or fit by output error"
        )
    return error[rows], tuple(names[i] for i in rows)


def _driven_name(dynamics: Dynamics, error: ca.SX, u: ca.SX) -> str:
    """An equation's name is that of the control in it, if there is one."""
    inside = [name for k, name in enumerate(dynamics.control_names) if ca.depends_on(error, u[k])]
    return inside[0] if len(inside) == 1 else ""
