"""CasADi's interfaces to IPOPT and FATROP as contenders."""

from __future__ import annotations

from launch.bench.contender import Contender
from launch.bench.peers.textbook import TextbookShooting
from launch.bench.row import Mode
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import RADAU_3
from mpc_controller.solvers.solver import Solver
from mpc_controller.solvers.transcription.nonlinear_programme import NonlinearProgramme

_PLUGINS = ("ipopt", "fatrop")


def casadi_peers() -> list[Contender]:
    """Multiple shooting in CasADi's own terms, and collocation as this package transcribes it for them."""
    return [*map(textbook_peer, _PLUGINS), *map(_collocation, _PLUGINS)]


def textbook_peer(plugin: str) -> Contender:
    """By the name of CasADi's plugin."""

    def make(problem: OptimalControlProblem, mode: Mode) -> Solver:
        return TextbookShooting(problem, plugin)

    return Contender(plugin, make, (Mode.COLD, Mode.WARM), is_peer=True)


def _collocation(plugin: str) -> Contender:
    def make(problem: OptimalControlProblem, mode: Mode) -> Solver:
        return NonlinearProgramme(problem, scheme=RADAU_3, backend=plugin)

    return Contender(f"{plugin} radau-3", make, (Mode.COLD, Mode.WARM), is_peer=True, has_own_dynamics=True)
