"""Terms of the objective. A term says what is wanted at one point of the horizon; the problem adds them up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.problem.stage import Stage


class ProblemError(ValueError):
    """A cost, constraint or grid that does not make a well-posed problem."""


@final
@dataclass(frozen=True)
class LeastSquares:
    """½ Σᵢ wᵢ rᵢ(x, u, p, ref)², the form that Gauss-Newton wants: its Hessian is JᵀWJ.

    The weights w ≥ 0 become the run-time parameters `weight.<name>[i]`.
    """

    name: str
    residual: Callable[[Stage], ca.SX]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        bad = [w for w in self.weights if not (w >= 0 and math.isfinite(w))]
        if bad or not self.weights:
            raise ProblemError(f"cost '{self.name}': weights are {self.weights}; each must be finite and at least 0")


@final
@dataclass(frozen=True)
class GeneralCost:
    """Any scalar l(x, u, p, ref). Its exact Hessian is used, so it should be convex where it matters."""

    name: str
    value: Callable[[Stage], ca.SX]


Cost = LeastSquares | GeneralCost


def cost_expression(cost: Cost, stage: Stage) -> ca.SX:
    """The residual of a least-squares term, the value of a general one."""
    return cost.residual(stage) if isinstance(cost, LeastSquares) else cost.value(stage)
