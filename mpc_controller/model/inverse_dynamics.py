"""Models that know what is left over of their equations of motion, in units of force."""

from __future__ import annotations

import abc

import casadi as ca


class InverseDynamics(abc.ABC):
    """A trait of Dynamics: e(x, ẋ, u, p) = 0 along every motion, in force units (N, N m), such as M q̈ + b q̇ − F.

    Least squares fit p so that e is small on measured motions. Where e is affine in the estimated parameters, they do so in
    one step, from any first guess; and errors of force are what noise in currents, friction and gravity leave behind, which
    errors of acceleration, multiplied by an uncertain inertia, are not.
    """

    @abc.abstractmethod
    def equation_error(self, x: ca.SX, xdot: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        """e (ne,) for x (nx,), ẋ (nx,), u (nu,), p (np,)."""
