"""What an endless horizon after the last grid point would cost: the LQR's cost to go as a terminal cost."""

from __future__ import annotations

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.riccati import RegulatorError, infinite_horizon_lqr
from mpc_controller.solvers.stage_functions import StageFunctions

# How much an equilibrium may move in one step, and how steep the cost may be there, relative to 1 + its largest entry.
_AT_REST = 1e-6


def lqr_terminal_cost(
    problem: OptimalControlProblem,
    state: Array,
    control: Array,
    *,
    parameters: Array | None = None,
    reference: Array | None = None,
    name: str = "lqr",
) -> LeastSquares:
    """½ (x ⊟ x*)ᵀ P (x ⊟ x*): the path costs from N on for ever, in steps of the last dt, to second order about an equilibrium.

        closed = dataclasses.replace(problem, terminal_costs=(lqr_terminal_cost(problem, x, u),))

    state x* (nx,) and control u* (nu,) are an equilibrium of the dynamics at which the path costs are least; parameters (np,)
    default to the problem's values, reference (nr,) to zeros. P solves the discrete Riccati equation in tangent coordinates
    with the step's A, B and the costs' Hessian (Gauss-Newton's of least squares); constraints and later changes of parameters
    are not in it.

    Raises RegulatorError where x*, u* is no equilibrium, where the cost has a slope there, and where no stabilising regulator
    exists (see `infinite_horizon_lqr`).
    """
    functions = StageFunctions(problem)
    nu, n = functions.nu, functions.nu + functions.ndx
    p = problem.parameters.values if parameters is None else parameters
    r = np.zeros(problem.nr) if reference is None else reference
    sizes = {"state": functions.nx, "control": nu, "parameters": len(problem.parameters), "reference": problem.nr}
    for (what, size), value in zip(sizes.items(), (state, control, p, r), strict=True):
        if np.shape(value) != (size,) or np.isnan(value).any():
            raise RegulatorError(f"{what} is {value}; expected {size} numbers")
    path = next(f for f in functions.functions() if f.name() == "ocp_path")
    outputs = [np.array(value) for value in path(state, control, state, p, r, problem.grid[-1])[:5]]
    defect, transition, _, gradient, hessian = outputs
    moved, slope = np.abs(defect).max(), np.abs(gradient).max()
    if not moved <= _AT_REST * (1 + np.abs(state).max()):
        raise RegulatorError(f"state {state} with control {control} is no equilibrium: it moves by {moved:.3g} in one step")
    if not slope <= _AT_REST * (1 + np.abs(hessian).max()):
        raise RegulatorError(f"the path costs are not least at state {state} and control {control}: their slope is {slope:.3g}")
    A, B = transition[nu:n].T, transition[:nu].T
    _, P = infinite_horizon_lqr(A, B, hessian[nu:n, nu:], hessian[:nu, :nu], hessian[nu:n, :nu])
    values, vectors = np.linalg.eigh(P)
    root = (np.sqrt(np.maximum(values, 0.0)) * vectors).T  # P = rootᵀ root
    return LeastSquares(
        name, lambda stage: ca.DM(root) @ problem.dynamics.manifold.minus(stage.x, ca.SX(ca.DM(state))), (1.0,) * len(root)
    )
