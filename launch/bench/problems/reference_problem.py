"""A problem with all that a closed-loop run on it needs, so that every solver meets the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.trajectory import Trajectory


@final
@dataclass(frozen=True)
class ReferenceProblem:
    """A problem, its best known cost from `initial_state` (nx,), and the closed loop that it is measured in.

    A cold solve starts from `initial_state` and `initial_control` (nu,) at every grid point. In the loop the plant is the
    model: `episodes` of `steps` intervals, the first from `initial_state`, the others from initial_state + spread·v; after
    every step noise·v is added to the state, v uniform in [−1, 1] entry by entry. A `quaternion` among the states is scaled
    to unit length by the plant: the problems are posed in Euclidean coordinates, as not every solver knows manifolds.
    """

    problem: OptimalControlProblem
    optimum: float
    initial_state: Array
    initial_control: Array
    spread: Array
    noise: Array
    episodes: int
    steps: int
    quaternion: slice | None = None

    @property
    def name(self) -> str:
        return self.problem.name

    def start_states(self, seed: int = 0) -> list[Array]:
        """Where the episodes start."""
        rng = np.random.default_rng(seed)
        deviations = [rng.uniform(-1, 1, len(self.spread)) * self.spread for _ in range(self.episodes)]
        deviations[0] = np.zeros_like(self.spread)
        return [self.normalized(self.initial_state + deviation) for deviation in deviations]

    def cold_guess(self, state: Array) -> Trajectory:
        """Standing still at `state`."""
        nodes = np.rint(self.problem.times * 1e9).astype(np.int64)
        return Trajectory.constant(self.problem.dynamics.manifold, nodes, state, self.initial_control)

    def normalized(self, state: Array) -> Array:
        """A copy with its quaternion, if there is one, of unit length."""
        state = state.copy()
        if self.quaternion is not None:
            state[self.quaternion] /= np.linalg.norm(state[self.quaternion])
        return state
