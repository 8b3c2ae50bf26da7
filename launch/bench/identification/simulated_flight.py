"""Logs of quadrotors that fly on their own equations with other parameters than the nominal ones, and a delay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.native.function import NativeFunction
from robots import load_robot, load_structure

_GRAVITY = 9.81
_DELAY_S = 0.01
_DITHER_HZ = np.array([0.5, 1.1, 1.9, 3.1, 4.7, 6.3])
# Of a Crazyflie's rotors: what each does to thrust, roll, pitch and yaw (robots/crazyflie/dynamics.py).
_MIXER: Final = np.array([[1, 1, 1, 1], [-1, -1, 1, 1], [-1, 1, 1, -1], [-1, 1, -1, 1]], dtype=float)
# time [s], true state → command
Law = Callable[[float, Array], Array]


@final
@dataclass(frozen=True)
class Machine:
    """A structure, its true parameters (np,), a law that keeps it flying from x0, and the time between commands."""

    structure: ModelStructure
    truth: Array
    law: Law
    x0: Array
    period_s: float


def fly(machine: Machine, duration_s: float, seed: int = 0) -> Log:
    """A log with the sensors' noise; commands act `_DELAY_S` later. Integrated with two Runge-Kutta steps a period."""
    d, structure = machine.structure.dynamics, machine.structure
    x, u, p, dt = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu), ca.SX.sym("p", d.np), ca.SX.sym("dt")
    following = RungeKutta4(2).step(d, x, u, p, dt)
    step = NativeFunction(ca.Function("truth", [x, u, p, dt], [following]), f"truth of {structure.name}")
    times = np.asarray(np.arange(round(duration_s / machine.period_s)) * machine.period_s, dtype=np.float64)
    late = round(_DELAY_S / machine.period_s)
    states, controls = np.empty((len(times), d.nx)), np.empty((len(times), d.nu))
    state = machine.x0
    for k, now in enumerate(times):
        states[k], controls[k] = state, machine.law(float(now), state)
        state = d.manifold.normalized(step(state, controls[max(k - late, 0)], machine.truth, (machine.period_s,))[0])
    noise = np.zeros((len(times), d.manifold.ndx))
    std, rows = structure.measurement_std, list(structure.tangent_indices)
    noise[:, rows] = std * np.random.default_rng(seed).standard_normal((len(times), len(rows)))
    measured = d.manifold.retract(states, noise)[:, structure.measured_indices]
    return whole(f"flight of {structure.name}", times, measured, controls)


def quadrotor() -> Machine:
    """At its plant's rate, 500 Hz, about a path that goes up to 0.9 m/s, with a dither on the rotors."""
    robot, structure = load_robot("quadrotor"), load_structure("quadrotor")
    factors = {"mass": 1.15, "inertia_x": 1.3, "inertia_y": 0.8, "inertia_z": 1.2, "torque_per_thrust": 1.25}
    truth = _truth(structure, {**factors, "motor_time_constant": 0.8}, {"drag": 0.01})
    x0 = np.zeros(structure.dynamics.nx)
    x0[[2, 3]] = 1.0
    x0[13:] = truth[0] * _GRAVITY / 4
    dither = _dither(0.002)

    def law(t: float, x: Array) -> Array:
        goal = x0.copy()
        goal[:3] = _path(t)
        yaw = 0.4 * np.sin(0.9 * t)
        goal[[3, 6]] = np.cos(yaw / 2), np.sin(yaw / 2)
        return np.clip(robot.hold(x, goal) + dither(t), robot.control_lower, robot.control_upper)

    return Machine(structure, truth, law, x0, 1 / robot.plant_rate_hz)


def crazyflie() -> Machine:
    """At the 100 Hz of its recordings, with the noise of motion capture instead of what a model of a real one leaves over."""
    capture = np.array([1e-3] * 3 + [2e-3] * 3 + [1e-2] * 3 + [5e-2] * 3)
    structure = replace(load_structure("crazyflie"), measurement_std=capture)
    factors = {"thrust_quadratic": 1.1, "drag_xy": 1.5, "roll_gain": 0.85, "pitch_gain": 1.1, "yaw_gain": 1.2}
    truth = _truth(structure, {**factors, "motor_time_constant": 0.8, "torque_by_velocity": 1.5}, {"thrust_tilt_x": 0.01})
    linear, quadratic = truth[:2]
    x0 = np.zeros(structure.dynamics.nx)
    x0[[2, 3]] = 1.0
    x0[13:] = _voltage(_GRAVITY, linear, quadratic)
    dither = _dither(0.02)

    def law(t: float, x: Array) -> Array:
        battery = 3.9 - 0.01 * t
        push = 2 * (_path(t) - x[:3]) - 2 * x[7:10]
        lean = np.clip(np.array([-push[1], push[0], 0.0]) / _GRAVITY, -0.4, 0.4)
        alpha = (60 * (lean - 2 * x[4:7]) - 12 * x[10:13]) / np.array([53.0, 53.0, 5.5])
        rotors = _MIXER.T @ np.array([_GRAVITY + push[2], *alpha])
        duty = np.array([_voltage(max(float(a), 1.0), linear, quadratic) for a in rotors]) / battery
        return np.array([*np.clip(duty + dither(t), 0.05, 1.0), battery])

    return Machine(structure, truth, law, x0, 0.01)


def _voltage(thrust: float, linear: float, quadratic: float) -> float:
    """U [V] with c₁ U + c₂ U² = thrust."""
    return float((np.sqrt(linear**2 + 4 * quadratic * thrust) - linear) / (2 * quadratic))


def _path(t: float) -> Array:
    return np.array([0.5 * np.sin(0.9 * t), 0.5 * np.sin(1.2 * t + 1), 1 + 0.3 * np.sin(1.5 * t)])


def _dither(amplitude: float) -> Callable[[float], Array]:
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (4, len(_DITHER_HZ)))
    return lambda t: amplitude * np.sin(2 * np.pi * _DITHER_HZ * t + phases).sum(axis=1)


def _truth(structure: ModelStructure, factors: Mapping[str, float], added: Mapping[str, float]) -> Array:
    return np.array([p.value * factors.get(p.name, 1.0) + added.get(p.name, 0.0) for p in structure.dynamics.parameters])
