"""Who takes part, and in what."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

from launch.bench.row import Mode
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solver import Solver

# Those whose single iteration is compared with Crocoddyl's, on the problem that it is made for.
_DIFFERENTIAL_DYNAMIC_PROGRAMMING = ("ilqr", "ddp")
ITERATION_PROBLEM = "arm"
_OWN_DYNAMICS = ("collocation",)


@final
@dataclass(frozen=True)
class Contender:
    """A solver under the name that it has in the table. `make(problem, mode)` builds it for a mode of the given ones.

    One that `has_own_dynamics` replaces the problem's integrator: its optimum is another one, and its plans are checked by
    what it says itself.
    """

    name: str
    make: Callable[[OptimalControlProblem, Mode], Solver]
    modes: tuple[Mode, ...]
    is_peer: bool = False
    has_own_dynamics: bool = False

    def modes_on(self, problem: str) -> tuple[Mode, ...]:
        """The modes that are measured on a problem."""
        return tuple(mode for mode in self.modes if mode is not Mode.ITERATION or problem == ITERATION_PROBLEM)

    def only(self, mode: Mode) -> Contender:
        """The same in one mode alone."""
        return replace(self, modes=(mode,))


def has_own_dynamics(solver: str) -> bool:
    """Whether a solver of the registry replaces the problem's integrator."""
    return solver in _OWN_DYNAMICS


def own_contenders() -> list[Contender]:
    """Every solver of the registry, as it is by default."""
    return [_own(name, name) for name in SOLVERS]


def _own(name: str, solver: str, **options: Any) -> Contender:
    """A solver of the registry with some options of its own, under a name."""
    constructor, own_dynamics = SOLVERS[solver], has_own_dynamics(solver)
    if "real_time_iteration" not in inspect.signature(constructor).parameters:  # one pass in every call
        return Contender(
            name, lambda problem, mode: constructor(problem, **options), (Mode.RTI,), has_own_dynamics=own_dynamics
        )

    def make(problem: OptimalControlProblem, mode: Mode) -> Solver:
        return constructor(problem, real_time_iteration=mode in (Mode.RTI, Mode.ITERATION), **options)

    extra = (Mode.ITERATION,) if solver in _DIFFERENTIAL_DYNAMIC_PROGRAMMING else ()
    return Contender(name, make, (Mode.COLD, Mode.WARM, Mode.RTI, *extra), has_own_dynamics=own_dynamics)
