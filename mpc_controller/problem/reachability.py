"""Which parts of the last state the controls can steer at all, from the structure of the dynamics alone."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import Integrator


def influence_of_controls(dynamics: Dynamics, integrator: Integrator, N: int) -> ca.Sparsity:
    """Pattern (nx, N·nu) of ∂x_N/∂(u_{N−1} … u_0) = [F_u, F_x F_u, F_x² F_u, …].

    It is empty where a control cannot change a state, whatever the numbers are.
    """
    x, u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
    p, dt = ca.SX.sym("p", dynamics.np), ca.SX.sym("dt")
    _, F_x, F_u = integrator.linearize(dynamics, x, u, p, dt)
    A, B = _pattern(F_x), _pattern(F_u)
    columns = [B]
    while len(columns) < N:
        reached = _pattern(A @ columns[-1])
        # Once a product's pattern repeats, so do all later ones.
        if reached.sparsity() == columns[-1].sparsity():
            columns += [reached] * (N - len(columns))
            break
        columns.append(reached)
    return ca.horzcat(*columns).sparsity()


def steerable_rows(rows: ca.SX, x: ca.SX, influence: ca.Sparsity) -> tuple[list[int], int]:
    """Of rows r(x_N): those that no control changes, and how many of all can be steered at once (structural rank)."""
    pattern = _pattern(_pattern(ca.jacobian(rows, x)) @ ca.DM(influence, 1.0))
    reached = set(pattern.sparsity().row())
    return [i for i in range(rows.numel()) if i not in reached], ca.sprank(pattern)


def _pattern(matrix: ca.SX | ca.DM) -> ca.DM:
    """Ones where the matrix may have entries."""
    return ca.DM(ca.sparsify(matrix).sparsity(), 1.0)
