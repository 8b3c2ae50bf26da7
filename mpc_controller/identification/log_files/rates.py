"""Rates of measured states as the measured states themselves give them, whatever the model's parameters are."""

from __future__ import annotations

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure


def measured_states(log: Log, structure: ModelStructure) -> Array:
    """States (K, nx) with what was measured; the others are 0, or the attitude of rest."""
    states = np.zeros((len(log.times), structure.dynamics.nx))
    for start in structure.dynamics.manifold.quaternions:
        states[:, start] = 1.0
    states[:, structure.measured_indices] = log.measured
    return states


def known_rates(structure: ModelStructure) -> dict[str, bool]:
    """Of every signal, whether its derivative is made of measured states alone."""
    d = structure.dynamics
    x, u, p = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu), ca.SX.sym("p", d.np)
    xdot = d.xdot(x, u, p)
    unknown = ca.vertcat(u, p, *(x[i] for i in range(d.nx) if i not in structure.measured_indices))
    result = {}
    for signal in structure.signals:
        rows = ca.vertcat(*(xdot[structure.measured_indices[column]] for column in signal.columns))
        moves = not rows.is_constant()
        result[signal.name] = moves and not (unknown.numel() and ca.depends_on(rows, unknown))
    return result


def tangent_rates(structure: ModelStructure, states: Array) -> Array:
    """Tangent velocities (K, ndx) at states (K, nx), from ẋ = f with controls and parameters that do not matter."""
    d, manifold, h = structure.dynamics, structure.dynamics.manifold, 1e-6
    function = d.function()
    p = np.tile(d.parameters.values[:, None], (1, len(states)))
    xdot = np.asarray(function(states.T, np.zeros((d.nu, len(states))), p)).T
    return np.asarray(manifold.difference(states + h * xdot, states)) / h
