"""One sample's step of physics and residual, its derivatives and its error, as compiled functions of many samples at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.learning.options import LearningError
from mpc_controller.model.residual.fused import push
from mpc_controller.model.tangent_maps import normalized
from mpc_controller.native.batched_function import BatchedFunction


@final
class FusedStep:
    """x⁺ = F(x, u, p, dt) ⊞ γ(x, u, p, dt, r), once for every part of a sample's step in which the command is constant.

    A command that is late changes within a step, which then has `parts` = 2 (identification.windows.DelayedControls); r is held
    over both, and its features see the mean command ū. The data of a step are one row

        d = (u₁, dt₁, …, y⁺, ū⁺)    (nd,)

    with what was measured at its end, y⁺ (ny,), and the mean command of the next step. p (np,) is shared. All functions take
    rows (K, ·) and give rows; the constructor compiles them, once for a structure, whatever p.

        advance(x, r, d, p)        → x⁺ (nx), z⁺ = φ(x⁺, ū⁺, p) (nz), e⁺ = y⁺ ⊟ h(x⁺) (nres), in one row
        advance_vjp(x, r, d, p, λ) → λᵀ ∂/∂(x, r) (nx + nr)
        begin(x, δ, ū, p)          → x ⊞ δ, its features, in one row
        begin_vjp(x, δ, ū, p, λ)   → λᵀ ∂/∂δ (ndx)
        defect(x, d, p, x⁺)        → x⁺ ⊟ F(x) (ndx) and its derivative by r, Γ (ndx · nr, column by column)
    """

    def __init__(self, structure: ModelStructure, parts: int, report: Callable[[str], None] = lambda line: None) -> None:
        if structure.residual_port is None:
            raise LearningError(f"{structure.name} has no port for a residual; its structure must say where one enters")
        self.structure, self.port, self.parts = structure, structure.residual_port, parts
        dynamics = structure.dynamics
        self.nx, self.ndx, self.nu = dynamics.nx, dynamics.manifold.ndx, dynamics.nu
        self.nz, self.nr, self.ny, self.nres = (
            self.port.nz,
            self.port.nr,
            len(structure.measured),
            len(structure.tangent_indices),
        )
        self.width = self.nx + self.nz + self.nres
        name = f"the fused step of {structure.name}"
        functions = self._functions()
        self.advance = BatchedFunction(functions[0], name, (3,), report)
        self.advance_vjp = BatchedFunction(functions[1], f"{name}, backwards", (3,), report)
        self.begin = BatchedFunction(functions[2], f"{name}'s start", (3,), report)
        self.begin_vjp = BatchedFunction(functions[3], f"{name}'s start, backwards", (3,), report)
        self.defect = BatchedFunction(functions[4], f"what {name} leaves over", (2,), report)

    def split(self, rows: Array) -> tuple[Array, Array, Array]:
        """x⁺ (K, nx), z⁺ (K, nz), e⁺ (K, nres) of rows that `advance` gives."""
        return rows[..., : self.nx], rows[..., self.nx : self.nx + self.nz], rows[..., self.nx + self.nz :]

    def rows(self, controls: Array, durations: Array, measured_next: Array, mean_next: Array) -> Array:
        """d (K, nd) from commands (K, parts, nu), durations (K, parts), y⁺ (K, ny) and ū⁺ (K, nu)."""
        acting = np.concatenate([controls, durations[:, :, None]], axis=2)
        return np.hstack([acting.reshape(len(acting), -1), measured_next, mean_next])

    def _functions(self) -> list[ca.Function]:
        manifold, port, dynamics = self.structure.dynamics.manifold, self.port, self.structure.dynamics
        x, p, r = ca.SX.sym("x", self.nx), ca.SX.sym("p", dynamics.np), ca.SX.sym("r", self.nr)
        d = ca.SX.sym("d", self.parts * (self.nu + 1) + self.ny + self.nu)
        measured, control = d[-self.nu - self.ny : -self.nu], d[-self.nu :]
        after = self._after(x, r, d, p)
        out = ca.vertcat(after, port.features(after, control, p), self._error(measured, after))
        inputs = [x, r, d, p]
        delta, mean = ca.SX.sym("delta", self.ndx), ca.SX.sym("mean", self.nu)
        start = normalized(manifold, manifold.plus(x, delta))
        first = ca.vertcat(start, port.features(start, mean, p))
        end = ca.SX.sym("end", self.nx)
        left = manifold.minus(end, after)
        defect = ca.substitute([left, ca.vec(-ca.jacobian(left, r))], [r], [ca.SX.zeros(self.nr)])
        return [
            _function("advance", inputs, [out]),
            _backwards("advance_vjp", inputs, out, [x, r]),
            _function("begin", [x, delta, mean, p], [first]),
            _backwards("begin_vjp", [x, delta, mean, p], first, [delta]),
            _function("defect", [x, d, p, end], defect),
        ]

    def _after(self, x: ca.SX, r: ca.SX, d: ca.SX, p: ca.SX) -> ca.SX:
        dynamics = self.structure.dynamics
        start, u, dt = ca.SX.sym("start", self.nx), ca.SX.sym("u", self.nu), ca.SX.sym("dt")
        physics = self.structure.integrator.step(dynamics, start, u, p, dt)
        pushed = dynamics.manifold.plus(physics, push(dynamics, self.port, start, u, p, dt, r))
        part = ca.Function("part", [start, u, p, dt, r], [normalized(dynamics.manifold, pushed)])
        for first in range(0, self.parts * (self.nu + 1), self.nu + 1):
            x = part(x, d[first : first + self.nu], p, d[first + self.nu], r)
        return x

    def _error(self, measured: ca.SX, x: ca.SX) -> ca.SX:
        seen = ca.SX(x)
        for column, index in enumerate(self.structure.measured_indices):
            seen[index] = measured[column]
        return self.structure.dynamics.manifold.minus(seen, x)[list(self.structure.tangent_indices)]


def _function(name: str, inputs: Sequence[ca.SX], outputs: Sequence[ca.SX]) -> ca.Function:
    return ca.Function(name, list(inputs), [ca.densify(e) for e in ca.cse(list(outputs))])


def _backwards(name: str, inputs: Sequence[ca.SX], out: ca.SX, by: Sequence[ca.SX]) -> ca.Function:
    adjoint = ca.SX.sym("adjoint", out.numel())
    return _function(name, [*inputs, adjoint], [ca.jtimes(out, ca.vertcat(*by), adjoint, True)])
