"""Every robot of ours, moving so that its parameters show: a hidden truth, a law, and a log of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure, structure_of
from mpc_controller.model.parameters import Parameters
from robots import load_robot
from tests.identification.simulated import Law, simulate


@dataclass(frozen=True)
class Machine:
    """A structure, its true parameters (np,), and what drives it from x0; commands come `period_s` apart."""

    structure: ModelStructure
    truth: Array
    law: Law
    x0: Array
    period_s: float

    def log(self, duration_s: float, delay_s: float = 0.0, seed: int = 0, noise: float = 1.0) -> Log:
        times = np.arange(0.0, duration_s, self.period_s)
        return simulate(self.structure, self.truth, self.law, self.x0, times, delay_s, noise, seed, f"seed {seed}")


def multisine(rates: Array, amplitudes: Array, seed: int) -> Law:
    """Σ a sin(2π f t + φ) with random phases: rates (m,) [Hz], amplitudes (n,)."""
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, (len(amplitudes), len(rates)))
    return lambda t, x: amplitudes * np.sin(2 * np.pi * rates * t + phases).sum(axis=1)


def machine(name: str, seed: int = 0) -> Machine:
    return _MACHINES[name](seed)


def without_prior(structure: ModelStructure, name: str) -> ModelStructure:
    """The same, with nothing known of one parameter before."""
    dynamics = copy.copy(structure.dynamics)
    table = (replace(p, std=None) if p.name == name else p for p in dynamics.parameters)
    dynamics.parameters = Parameters(tuple(table))
    return replace(structure, dynamics=dynamics)


def _scaled(structure: ModelStructure, factors: Mapping[str, float], added: Mapping[str, float] | None = None) -> Array:
    p = structure.dynamics.parameters
    added = added or {}
    return np.array([q.value * factors.get(q.name, 1.0) + added.get(q.name, 0.0) for q in p])


def _cartpole(seed: int) -> Machine:
    structure = structure_of(load_robot("cartpole"))
    push = multisine(np.array([0.3, 0.7, 1.1, 1.9, 2.7]), np.array([3.0]), seed)
    truth = _scaled(structure, {"cart_mass": 1.2, "pole_inertia": 1.2, "cart_damping": 1.5, "pole_damping": 2.0})

    def law(t: float, x: Array) -> Array:
        return np.clip(push(t, x) - 4 * x[0] - x[2], -20, 20)

    return Machine(structure, truth, law, np.array([0.0, 3.1, 0.0, 0.0]), 0.01)


def _quadrotor(seed: int) -> Machine:
    robot = load_robot("quadrotor")
    structure = structure_of(robot)
    dither = multisine(np.array([0.5, 1.1, 1.9, 3.1, 4.7, 6.3]), np.full(4, 0.006), seed)
    factors = {"mass": 1.15, "inertia_x": 1.3, "inertia_y": 0.8, "inertia_z": 1.2, "torque_per_thrust": 1.25}
    truth = _scaled(structure, factors | {"motor_time_constant": 0.8}, {"drag": 0.01})
    x0 = np.zeros(structure.dynamics.nx)
    x0[[2, 3]] = 1.0
    x0[13:] = truth[0] * 9.81 / 4

    def law(t: float, x: Array) -> Array:
        goal = x0.copy()
        goal[:3] = 0.5 * np.sin(1.3 * t), 0.5 * np.sin(1.7 * t + 1), 1 + 0.3 * np.sin(2.1 * t)
        yaw = 0.4 * np.sin(0.9 * t)
        goal[[3, 6]] = np.cos(yaw / 2), np.sin(yaw / 2)
        return np.clip(robot.hold(x, goal) + dither(t, x), 0, 0.15)

    return Machine(structure, truth, law, x0, 0.01)


def _arm(seed: int) -> Machine:
    robot = load_robot("arm")
    structure = structure_of(robot)
    wave = multisine(np.array([0.2, 0.45, 0.8]), np.full(7, 0.15), seed)
    factors = {f"damping.joint{k}": 0.6 + 0.2 * k for k in range(1, 8)}
    truth = _scaled(structure, factors, {"payload_mass": 1.2})
    home = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])

    def law(t: float, x: Array) -> Array:
        return robot.hold(x, np.concatenate([home + wave(t, x), np.zeros(7)]))

    return Machine(structure, truth, law, np.concatenate([home, np.zeros(7)]), 0.01)


def _car(seed: int) -> Machine:
    structure = structure_of(load_robot("car"))
    drive = multisine(np.array([0.25, 0.6, 1.0]), np.array([2.0]), seed)
    steer = multisine(np.array([0.3, 0.7, 1.3]), np.array([0.17]), seed + 100)
    truth = _scaled(structure, {"friction": 0.85, "front_stiffness": 0.9, "rear_stiffness": 1.1, "yaw_inertia": 1.1})

    def law(t: float, x: Array) -> Array:
        wanted = float(np.clip(steer(t, x)[0], -0.4, 0.4))
        return np.array([np.clip(drive(t, x)[0] + 3 * (2.5 - x[3]), -10, 10), np.clip(8 * (wanted - x[6]), -3.2, 3.2)])

    x0 = np.zeros(7)
    x0[3] = 2.0
    return Machine(structure, truth, law, x0, 0.01)


_MACHINES = {"cartpole": _cartpole, "quadrotor": _quadrotor, "arm": _arm, "car": _car}
MACHINES = tuple(_MACHINES)
