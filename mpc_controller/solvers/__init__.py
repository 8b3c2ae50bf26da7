"""Solvers by the name that users type. A solver: one file and one line here."""

from collections.abc import Callable, Mapping

from mpc_controller.solvers.collocation import Collocation
from mpc_controller.solvers.differential_dynamic_programming import DDP, ILQR
from mpc_controller.solvers.lqr import LinearQuadraticRegulator
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.single_shooting import SingleShooting
from mpc_controller.solvers.solver import Solver

SOLVERS: Mapping[str, Callable[..., Solver]] = {
    "multiple-shooting": MultipleShooting,
    "collocation": Collocation,
    "ilqr": ILQR,
    "ddp": DDP,
    "single-shooting": SingleShooting,
    "lqr": LinearQuadraticRegulator,
}
