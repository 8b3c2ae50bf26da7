"""Terms of the objective. A term says what is wanted at one point of the horizon; the problem adds them up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.arrays import Array
from mpc_controller.model.parameters import ParameterError
from mpc_controller.problem.stage import Stage


class ProblemError(ValueError):
    """A cost, constraint or grid that does not make a well-posed problem."""


TermFunction = Callable[[Stage], ca.SX | ca.DM | Array | float]
"""What a term says at a stage: a column of expressions, or what CasADi can make one of."""


def evaluated(term: str, function: TermFunction, stage: Stage) -> ca.SX:
    """function(stage) as a CasADi expression; ProblemError with the term's name where it fails or gives something else."""
    try:
        value = function(stage)
    except (ProblemError, ParameterError):
        raise
    except Exception as error:
        raise ProblemError(f"{term} cannot be evaluated: {type(error).__name__}: {' '.join(str(error).split())}") from error
    try:
        return ca.SX(value)
    except NotImplementedError:
        given = type(value).__name__
        raise ProblemError(f"{term} gives a {given}; it must give a CasADi SX column, such as ca.vertcat(a, b)") from None


@final
@dataclass(frozen=True)
class LeastSquares:
    """½ Σᵢ wᵢ rᵢ(x, u, p, ref)², the form that Gauss-Newton wants: its Hessian is JᵀWJ.

    `function` gives r, one row a weight. The weights w ≥ 0 become the run-time parameters `weight.<name>[i]`.
    """

    name: str
    function: TermFunction
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        bad = [w for w in self.weights if not (w >= 0 and math.isfinite(w))]
        if bad or not self.weights:
            raise ProblemError(f"cost '{self.name}': weights are {self.weights}; each must be finite and at least 0")

    def residual(self, stage: Stage) -> ca.SX:
        """r (n, 1) at a stage."""
        return evaluated(f"cost '{self.name}'", self.function, stage)


@final
@dataclass(frozen=True)
class GeneralCost:
    """Any scalar l(x, u, p, ref). Its exact Hessian is used, so it should be convex where it matters."""

    name: str
    function: TermFunction

    def value(self, stage: Stage) -> ca.SX:
        """l (1, 1) at a stage."""
        return evaluated(f"cost '{self.name}'", self.function, stage)


Cost = LeastSquares | GeneralCost


def cost_expression(cost: Cost, stage: Stage) -> ca.SX:
    """The residual of a least-squares term, the value of a general one."""
    return cost.residual(stage) if isinstance(cost, LeastSquares) else cost.value(stage)
