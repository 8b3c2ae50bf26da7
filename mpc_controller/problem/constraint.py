"""What must hold at a point of the horizon: lower ≤ g(x, u, p, ref) ≤ upper, hard or soft."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import final

import casadi as ca

from mpc_controller.problem.cost import ProblemError, TermFunction, evaluated
from mpc_controller.problem.stage import Stage


@final
@dataclass(frozen=True)
class Soft:
    """A violation e ≥ 0 is allowed at the price l1·e + ½ l2·e² per grid point (exact penalty where l1 exceeds the multiplier).

    The prices become the run-time parameters `soft_l1.<constraint>` and `soft_l2.<constraint>`, which stay finite and at least
    0. Here one of them is above 0; at run time both may be set to 0, which switches the constraint off.
    """

    l1: float
    l2: float

    def __post_init__(self) -> None:
        if not (self.l1 >= 0 and self.l2 >= 0 and self.l1 + self.l2 > 0 and math.isfinite(self.l1 + self.l2)):
            raise ProblemError(f"Soft(l1={self.l1}, l2={self.l2}): both must be finite, at least 0, and one above 0")


@final
@dataclass(frozen=True)
class Constraint:
    """lower ≤ g(x, u, p, ref) ≤ upper, row by row; ±inf where one side is free. `function` gives g.

    chance: the probability, from 0.5 to below 1, with which each side of each row is to hold where a learned residual does not
    know the model (an ensemble's or a process's variance): the row is tightened by κσ, κ = Φ⁻¹(chance) standard deviations of g
    under the LQR along the plan (native/kernels/back_off.h), at most by 0.45 of what lies between two bounds. κ becomes the
    run-time parameter `back_off.<name>`; 0 takes the row as it is. Without a residual nothing is tightened.

    Bounds become the run-time parameters `lower.<name>[i]` and `upper.<name>[i]`. A constraint that involves controls holds
    at k = 0..N−1; one on states alone at k = 1..N, as x₀ is given.
    """

    name: str
    function: TermFunction
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    soft: Soft | None = None
    chance: float | None = None

    def __post_init__(self) -> None:
        if self.chance is not None and not 0.5 <= self.chance < 1:
            raise ProblemError(f"constraint '{self.name}': chance is {self.chance}; it must be at least 0.5 and below 1")
        if len(self.lower) != len(self.upper) or not self.lower:
            raise ProblemError(
                f"constraint '{self.name}': {len(self.lower)} lower and {len(self.upper)} upper bounds; as many of each"
            )
        for i, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if math.isnan(low) or math.isnan(high) or low > high or low == math.inf or high == -math.inf:
                raise ProblemError(f"constraint '{self.name}' row {i}: bounds [{low}, {high}] are reversed or not numbers")

    @property
    def back_off(self) -> float:
        """κ, the standard deviations that `chance` asks for; 0 without one."""
        return 0.0 if self.chance is None else NormalDist().inv_cdf(self.chance)

    def expression(self, stage: Stage) -> ca.SX:
        """g (n, 1) at a stage."""
        return evaluated(f"constraint '{self.name}'", self.function, stage)


def control_bounds(lower: Sequence[float], upper: Sequence[float], name: str = "control") -> Constraint:
    """lower ≤ u ≤ upper for all controls."""
    return Constraint(name, lambda stage: stage.u, tuple(map(float, lower)), tuple(map(float, upper)))


def state_bounds(
    indices: Sequence[int], lower: Sequence[float], upper: Sequence[float], name: str, soft: Soft | None = None
) -> Constraint:
    """lower ≤ x[indices] ≤ upper; an index that the state does not have is an error of the problem that is made with it."""
    chosen = list(indices)

    def entries(stage: Stage) -> ca.SX:
        nx = stage.x.shape[0]
        outside = [i for i in chosen if not 0 <= i < nx]
        if outside:
            raise ProblemError(f"constraint '{name}': no state {outside[0]}; the model has {nx}, 0 to {nx - 1}")
        return ca.vertcat(*(stage.x[i] for i in chosen))

    return Constraint(name, entries, tuple(map(float, lower)), tuple(map(float, upper)), soft)
