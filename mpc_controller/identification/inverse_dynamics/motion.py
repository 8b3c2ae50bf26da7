"""Whole states and their derivatives from measured states: what an equation of motion is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.filtering import (
    Filtering,
    automatic_cutoff,
    differentiated,
    held_at,
    low_pass,
    resampled,
    uniform_times,
)
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from mpc_controller.model.dynamics import Dynamics

_SHORTEST = 20  # samples of a piece; with fewer there is nothing between the ends that filters spoil
_REACH = 1.0  # periods of the cutoff frequency that a low-pass sees on each side


@final
@dataclass(frozen=True)
class Motion:
    """One piece of a log at a constant period: x, ẋ (n, nx) and the acting controls u (n, nu); `trim` rows at both ends are
    to be left out of a regression. cutoff_hz: of the low-pass that x went through."""

    times: Array
    period_s: float
    x: Array
    xdot: Array
    u: Array
    trim: int
    cutoff_hz: float


@final
class MotionReader:
    """Completes the measured states of logs of one structure.

    Measured states are low-passed and differentiated. Of the others, x_U, some follow from kinematics, the rows of
    f that hold neither controls nor parameters: A(x_M) x_U = ẋ_K − b(x_M), in the least-squares sense. What is left, x_D,
    such as a motor's lagged thrust, is simulated along the rest at the nominal parameters, ẋ_D = f_D(x, u, p₀), from where it
    would stand still; `driven` are the indices of these. Its own parameters are therefore not seen.
    """

    def __init__(self, structure: ModelStructure, filtering: Filtering) -> None:
        self._structure, self._filtering = structure, filtering
        self._held = structure.controls_held if filtering.held is None else filtering.held
        dynamics = structure.dynamics
        self._measured = list(structure.measured_indices)
        hidden = [i for i in range(dynamics.nx) if i not in self._measured]
        x, u, p = (ca.SX.sym(name, n) for name, n in (("x", dynamics.nx), ("u", dynamics.nu), ("p", dynamics.np)))
        f = dynamics.xdot(x, u, p)
        self._kinematic = [i for i in self._measured if not ca.depends_on(f[i], ca.vertcat(u, p))]
        by_hidden = ca.jacobian(f[self._kinematic], x[hidden]) if self._kinematic else ca.SX(0, len(hidden))
        seen = [k for k in range(len(hidden)) if by_hidden[:, k].nnz() and not ca.depends_on(by_hidden[:, k], x[hidden])]
        self._reconstructed = [hidden[k] for k in seen]
        self.driven = tuple(i for i in hidden if i not in self._reconstructed)
        base = ca.vertcat(*(ca.SX.zeros(1) if i in self._reconstructed else x[i] for i in range(dynamics.nx)))
        rest = ca.substitute(f[self._kinematic], x, base) if self._kinematic else ca.SX(0, 1)
        self._kinematics = ca.Function("kinematics", [x], [ca.densify(by_hidden[:, seen]), ca.densify(rest)])
        self._simulator = _Simulator(dynamics, self.driven) if self.driven else None

    def read(self, log: Log) -> list[Motion]:
        """The pieces of a log that are long enough; IdentificationError, naming the log, when none is."""
        motions = [self._piece(log, a, b) for a, b in log.pieces if b - a >= _SHORTEST]
        if not motions:
            raise IdentificationError(f"{log.name}: no piece has {_SHORTEST} samples or more, so nothing can be differentiated")
        return motions

    def _piece(self, log: Log, first: int, end: int) -> Motion:
        raw = log.times[first:end]
        times = uniform_times(raw)
        period = float(times[-1] - times[0]) / (len(times) - 1)
        measured = resampled(raw, self._continuous(_filled(log, first, end)), times)
        cutoff = self._filtering.cutoff_hz or automatic_cutoff(measured, period)
        x = np.zeros((len(times), self._structure.dynamics.nx))
        x[:, self._measured] = low_pass(measured, period, cutoff, self._filtering.order)
        self._normalize(x)
        xdot = differentiated(x, period)
        commands = held_at(raw, log.controls[first:end], times)
        u = np.concatenate([commands[:1], (commands[1:] + commands[:-1]) / 2]) if self._held else commands
        if self._reconstructed:
            x[:, self._reconstructed] = self._from_kinematics(x, xdot)
            xdot[:, self._reconstructed] = differentiated(x[:, self._reconstructed], period)
        if self._simulator is not None:
            x[:, self.driven], xdot[:, self.driven] = self._simulator.along(x, commands, period)
        trim = self._trim(period, cutoff)
        if len(times) - 2 * trim < _SHORTEST:
            trim = max(0, (len(times) - _SHORTEST) // 2)
        return Motion(times, period, x, xdot, u, trim, cutoff)

    def _trim(self, period_s: float, cutoff_hz: float) -> int:
        """Rows at each end; those that central differences of differences spoil are always among them."""
        given = self._filtering.trim_s
        return round(given / period_s) if given is not None else 2 + round(_REACH / (cutoff_hz * period_s))

    def _continuous(self, measured: Array) -> Array:
        """Quaternions of one sign from sample to sample."""
        result = np.array(measured)
        for start in self._structure.dynamics.manifold.quaternions:
            if start in self._measured:
                place = self._measured.index(start)
                block = result[:, place : place + 4]
                block *= np.cumprod(np.where(np.r_[1.0, (block[1:] * block[:-1]).sum(axis=1)] < 0, -1.0, 1.0))[:, None]
        return result

    def _normalize(self, x: Array) -> None:
        """Give measured quaternions unit length again, in place."""
        for start in self._structure.dynamics.manifold.quaternions:
            if start in self._measured:
                x[:, start : start + 4] /= np.linalg.norm(x[:, start : start + 4], axis=1, keepdims=True)

    def _from_kinematics(self, x: Array, xdot: Array) -> Array:
        """x_U (n, |U|) from the derivatives of what is measured."""
        n, width = len(x), len(self._reconstructed)
        A, b = self._kinematics.map(n)(x.T)
        rows = len(self._kinematic)
        matrices = A.full().reshape(rows, n, width).transpose(1, 0, 2)
        wanted = xdot[:, self._kinematic] - b.full().T
        return np.asarray((np.linalg.pinv(matrices) @ wanted[:, :, None])[:, :, 0])


@final
class _Simulator:
    """ẋ_D = f_D(x, u, p₀) along known other states, by the explicit midpoint rule at the period of the samples."""

    def __init__(self, dynamics: Dynamics, driven: tuple[int, ...]) -> None:
        self._driven = list(driven)
        x, u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
        period, inner = ca.SX.sym("h"), ca.SX.sym("d", len(driven))
        f = ca.Function("f", [x, u], [dynamics.xdot(x, u, ca.SX(ca.DM(dynamics.parameters.values)))[self._driven]])

        def rate(value: ca.SX) -> ca.SX:
            whole = ca.SX(x)
            whole[self._driven] = value
            return f(whole, u)

        now = rate(inner)
        after = inner + period * rate(inner + period / 2 * now)
        self._step = ca.Function("step", [inner, x, u, period], [after, inner, now])
        self._rate = ca.Function("rate", [inner, x, u], [now, ca.jacobian(now, inner)])

    def along(self, x: Array, u: Array, period_s: float) -> tuple[Array, Array]:
        """x_D and ẋ_D (n, |D|)."""
        n = len(x)
        start = np.zeros(len(self._driven))
        value, slope = (m.full() for m in self._rate(start, x[0], u[0]))
        if np.linalg.matrix_rank(slope) == len(start):
            start = start - np.linalg.solve(slope, value[:, 0])
        _, states, rates = self._step.mapaccum(n)(start, x.T, u.T, np.full((1, n), period_s))
        return states.full().T, rates.full().T


def _filled(log: Log, first: int, end: int) -> Array:
    """The measured states of a piece, NaN filled by straight lines; IdentificationError for a column without values."""
    values = np.array(log.measured[first:end])
    times = log.times[first:end]
    for column in range(values.shape[1]):
        known = np.isfinite(values[:, column])
        if known.sum() < 2:
            raise IdentificationError(
                f"{log.name}: measured column {column} has no values from {times[0]:g} to {times[-1]:g} s"
            )
        if not known.all():
            values[:, column] = np.interp(times, times[known], values[known, column])
    return values
