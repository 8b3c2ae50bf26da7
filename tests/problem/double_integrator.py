"""A small linear problem with known answers."""

from __future__ import annotations

from typing import Any

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem


class DoubleIntegrator(Dynamics):
    """m q̈ = u."""

    name = "double-integrator"
    state_names, state_units = ("q", "q_dot"), ("m", "m/s")
    control_names, control_units = ("u",), ("N",)
    manifold = Euclidean(2)
    parameters = Parameters((Parameter("m", 1.0, "kg"),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], u / p)


def problem(**changes: Any) -> OptimalControlProblem:
    """Σ dt ½ (q² + 0.1 q̇² + 0.01 u²) over 2 s in steps of 0.1 s, with changes."""
    fields: dict[str, Any] = {
        "name": "test",
        "dynamics": DoubleIntegrator(),
        "integrator": RungeKutta4(),
        "grid": (0.1,) * 20,
        "path_costs": (LeastSquares("state", lambda s: s.x, (1.0, 0.1)), LeastSquares("effort", lambda s: s.u, (0.01,))),
    }
    return OptimalControlProblem(**(fields | changes))
