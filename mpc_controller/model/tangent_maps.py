"""Between states and the tangent space at them, as expressions: what turns Jacobians of x⁺ into those of x⁺ ⊟ F(x)."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.manifold import Manifold


def tangent_maps(manifold: Manifold) -> tuple[ca.Function, ca.Function]:
    """x ↦ ∂(x ⊞ δ)/∂δ at δ = 0 (nx, ndx), and x ↦ ∂(y ⊟ x)/∂y at y = x (ndx, nx); both sparse."""
    x, y, delta = ca.SX.sym("x", manifold.nx), ca.SX.sym("y", manifold.nx), ca.SX.sym("delta", manifold.ndx)
    plus = ca.Function("plus", [x, delta], [ca.jacobian(manifold.plus(x, delta), delta)])
    minus = ca.Function("minus", [y, x], [ca.jacobian(manifold.minus(y, x), y)])
    lift = ca.Function("lift", [x], [ca.sparsify(plus(x, ca.SX.zeros(manifold.ndx)))])
    return lift, ca.Function("lower", [x], [ca.sparsify(minus(x, x))])


def normalized(manifold: Manifold, x: ca.SX) -> ca.SX:
    """x (nx,) with its quaternions scaled to unit length."""
    result = ca.SX(x)
    for start in manifold.quaternions:
        block = slice(start, start + 4)
        result[block] = x[block] / ca.norm_2(x[block])
    return result
