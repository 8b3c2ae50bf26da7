"""Solvers by the name that users type. A solver: one file and one line here."""

from collections.abc import Callable, Mapping

from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solver import Solver

SOLVERS: Mapping[str, Callable[..., Solver]] = {
    "multiple-shooting": MultipleShooting,
}
