"""What a learned residual adds to a step of the model, one point at a time: for estimators and predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import casadi as ca

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.residual.fused import FusedTerm, push
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.tangent_maps import tangent_maps
from mpc_controller.native.function import NativeFunction
from mpc_controller.native.native_residual import NativeResidual
from mpc_controller.native.residual_code import PackedResidual, pack, silent


@final
class FusedPush:
    """γ(x, u, p, dt, r(z(x, u, p); w)) of model/residual/fused.py and its derivatives; nothing is added before `load`.

    x (nx,), u (nu,), p (np of the nominal model, in front of a longer vector), dt [s]. The constructor compiles (or takes from
    the cache).
    """

    def __init__(self, physics: Dynamics, term: FusedTerm, report: Callable[[str], None] = lambda line: None) -> None:
        port = term.port
        x, u, p = ca.SX.sym("x", physics.nx), ca.SX.sym("u", physics.nu), ca.SX.sym("p", physics.np)
        dt, r = ca.SX.sym("dt"), ca.SX.sym("r", port.nr)
        lift = tangent_maps(physics.manifold)[0](x)
        z, gamma = port.features(x, u, p), push(physics, port, x, u, p, dt, r)
        features = [z, ca.jacobian(z, x) @ lift, ca.jacobian(z, u)]
        moved = [gamma, ca.jacobian(gamma, r), ca.jacobian(gamma, x) @ lift, ca.jacobian(gamma, u)]
        self._np, self._shape = physics.np, term.shape
        self._features = NativeFunction(
            ca.Function("features", [x, u, p], _dense(features)), f"the features of {physics.name}", report
        )
        self._push = NativeFunction(ca.Function("push", [x, u, p, dt, r], _dense(moved)), f"the push on {physics.name}", report)
        self._residual = NativeResidual(term.shape, report, batch=1)
        self.loaded = silent(term.shape)

    def load(self, residual: Residual) -> None:
        """Weights and guard from now on. ValueError when the shape is another."""
        if residual.shape != self._shape:
            raise ValueError(f"the model is built for {self._shape}; given is {residual.shape}")
        self.loaded = pack(residual)

    def value(self, x: Array, u: Array, p: Array, dt: float, packed: PackedResidual | None = None) -> Array:
        """γ (ndx,); of `packed`, where given, and of what is loaded otherwise."""
        p = p[: self._np]
        z = self._features(x, u, p)[0]
        r, _ = self._residual.values(packed or self.loaded, z[None])
        return self._push(x, u, p, (dt,), r[0])[0]

    def linearize(self, x: Array, u: Array, p: Array, dt: float) -> tuple[Array, Array, Array]:
        """γ (ndx,), ∂γ/∂δx (ndx, ndx), ∂γ/∂u (ndx, nu)."""
        p = p[: self._np]
        z, z_x, z_u = self._features(x, u, p)
        r, jacobian, _ = self._residual.jacobians(self.loaded, z[None])
        gamma, by_r, by_x, by_u = self._push(x, u, p, (dt,), r[0])
        n, slope = len(gamma), by_r.reshape(len(gamma), -1) @ jacobian[0]
        return (
            gamma,
            by_x.reshape(n, -1) + slope @ z_x.reshape(len(z), -1),
            by_u.reshape(n, -1) + slope @ z_u.reshape(len(z), -1),
        )

    def gate(self, x: Array, u: Array, p: Array) -> tuple[float, Array]:
        """The gate at a point, and its features z (nz,)."""
        z = self._features(x, u, p[: self._np])[0]
        return float(self._residual.values(self.loaded, z[None])[1][0]), z


def _dense(outputs: list[ca.SX]) -> list[ca.SX]:
    return list(ca.cse([ca.densify(output) for output in outputs]))
