"""One integrator step as a CasADi function."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.integrators import Integrator
from mpc_controller.robot import Robot


def one_step(robot: Robot, integrator: Integrator) -> ca.Function:
    """(x, u, p, dt) → x⁺ of the robot's model."""
    d = robot.dynamics
    x, u, p, dt = (ca.SX.sym(name, size) for name, size in (("x", d.nx), ("u", d.nu), ("p", d.np), ("dt", 1)))
    return ca.Function("step", [x, u, p, dt], [integrator.step(d, x, u, p, dt)])
