"""Physics and residual as one step of the model: x⁺ = F(x, u, p, dt) ⊞ γ(x, u, p, dt, r)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import ResidualShape
from mpc_controller.model.tangent_maps import tangent_maps


@final
@dataclass(frozen=True)
class FusedTerm:
    """What a problem needs to know of a residual: where it enters, and its shape. Weights come at run time."""

    port: ResidualPort
    shape: ResidualShape

    def __post_init__(self) -> None:
        if (self.shape.nz, self.shape.nr) != (self.port.nz, self.port.nr):
            raise ValueError(
                f"FusedTerm: a residual of {self.shape.nz} features and {self.shape.nr} outputs at a port of {self.port.nz} "
                f"({', '.join(self.port.feature_names)}) and {self.port.nr} ({', '.join(self.port.output_names)})"
            )


def push(dynamics: Dynamics, port: ResidualPort, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX, r: ca.SX) -> ca.SX:
    """γ (ndx,): what the outputs r, taken at the start of a step and held over it like a control, add to its end.

        γ = dt e + dt²/2 S ∂ẋ/∂x e

    with e = port.effect, and S the entries that e does not reach itself (positions, attitudes): they integrate the velocities
    that it pushes. Of third order in dt per step for what is pushed smoothly; the step of the physics is not touched, so that
    without a residual, or with r = 0, the plan is that of the physics to the last bit. p (np of the nominal model).
    """
    manifold = dynamics.manifold
    e = port.effect(x, u, p, r)
    if e.shape != (manifold.ndx, 1):
        raise ValueError(f"{dynamics.name}: the effect of a residual has shape {e.shape}; it must be ({manifold.ndx}, 1)")
    reached = ca.sparsify(ca.jacobian(e, r)).sparsity().row()
    lift, lower = tangent_maps(manifold)
    along = lower(x) @ ca.jtimes(dynamics.xdot(x, u, p), x, lift(x) @ e)
    second = ca.vertcat(*(ca.SX(0) if i in reached else along[i] for i in range(manifold.ndx)))
    return ca.densify(dt * e + dt * dt / 2 * second)
