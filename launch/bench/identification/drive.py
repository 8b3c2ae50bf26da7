"""A drive with exact Coulomb friction, solved exactly: a truth that is no contender's own simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, whole

_TRUTH = {"mass": 95.0, "viscous": 203.0, "coulomb": 20.0, "offset": -3.0}  # close to the EMPS drive
_PERIOD_S = 1e-3
_ENCODER_STD = 1e-5  # m
_LOAD_STD, _LOAD_S = 0.3, 2.0  # N and s: size and correlation time; the EMPS drive's offset drifts by as much in 25 s
_STIFFNESS, _DAMPING, _FORCE_LIMIT = 34e3, 2.9e3, 350.0  # of the loop that moves it: N/m, N s/m, N


@final
class DriveKind(StrEnum):
    """The encoder's white noise is in all of them. Without dry friction every contender's model is the truth; dry friction is
    exact, and smoothed in a different way in every contender's; a drifting load is in no model."""

    FREE = "no dry friction"
    DRY = "dry friction"
    DRIFTING = "dry friction, drifting load"


def drive_log(kind: DriveKind, seed: int, duration_s: float) -> tuple[Mapping[str, float], Log]:
    """True parameters, and a record at 1 kHz: measured position, force held from sample to sample. Noise, load and motion are
    other ones with every seed."""
    random = np.random.default_rng(seed)
    truth = {**_TRUTH, "coulomb": 0.0} if kind is DriveKind.FREE else _TRUTH
    times = np.asarray(np.arange(round(duration_s / _PERIOD_S)) * _PERIOD_S, dtype=np.float64)
    reference = _reference(times, random)
    speed = np.gradient(reference, times)
    ahead = truth["mass"] * np.gradient(speed, times) + truth["viscous"] * speed
    load = _load(len(times), random) if kind is DriveKind.DRIFTING else np.zeros(len(times))
    q, v = float(reference[0]), 0.0
    positions, forces = np.empty(len(times)), np.empty(len(times))
    for k in range(len(times)):
        force = ahead[k] + _STIFFNESS * (reference[k] - q) + _DAMPING * (speed[k] - v)
        positions[k], forces[k] = q, min(max(force, -_FORCE_LIMIT), _FORCE_LIMIT)
        q, v = drive_step(q, v, forces[k] + load[k] - truth["offset"], truth, _PERIOD_S)
    measured = positions + _ENCODER_STD * random.standard_normal(len(times))
    return truth, whole(f"drive {seed}", times, measured[:, None], forces[:, None])


def drive_step(q: float, v: float, force: float, truth: Mapping[str, float], duration_s: float) -> tuple[float, float]:
    """Exact solution of M v̇ = F − F_v v − F_c s(v) for a constant force, through standstill and reversal of the motion."""
    tau, coulomb, left = truth["mass"] / truth["viscous"], truth["coulomb"], duration_s
    while True:
        if v == 0.0 and abs(force) <= coulomb:
            return q, 0.0
        direction = math.copysign(1.0, force if v == 0.0 else v)
        final_speed = (force - direction * coulomb) / truth["viscous"]
        decay = math.exp(-left / tau)
        end = final_speed + (v - final_speed) * decay
        if end * direction >= 0.0:
            return q + final_speed * left + (v - final_speed) * tau * (1 - decay), end
        stop = min(tau * math.log((v - final_speed) / -final_speed), left)  # the time of standstill
        q += final_speed * stop + v * tau
        v, left = 0.0, left - stop


def _reference(times: Array, random: np.random.Generator) -> Array:
    """0.12 ± 0.1 m, three sines of random phase."""
    rates, sizes = (0.15, 0.4, 0.9), (0.06, 0.03, 0.01)
    phases = random.uniform(0, 2 * np.pi, 3)
    waves = [a * np.sin(2 * np.pi * f * times + p) for f, a, p in zip(rates, sizes, phases, strict=True)]
    return np.asarray(0.12 + np.sum(waves, axis=0))


def _load(count: int, random: np.random.Generator) -> Array:
    """A first-order Gauss-Markov force [N]."""
    keeps = math.exp(-_PERIOD_S / _LOAD_S)
    pushes = math.sqrt(1 - keeps**2) * _LOAD_STD * random.standard_normal(count)
    force, now = np.empty(count), _LOAD_STD * random.standard_normal()
    for k in range(count):
        force[k], now = now, keeps * now + pushes[k]
    return force
