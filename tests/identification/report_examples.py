"""Made-up identifications with known errors, for what people see of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import casadi as ca
import numpy as np

from mpc_controller.identification.fit import Estimated, Fit, Identification, Information, LogPrediction, Standing
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure, structure_of
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters
from robots import load_robot

PERIOD_S = 0.01
NAN = float("nan")


def quadrotor_example(seconds: float = 24.0) -> tuple[Identification, list[Log]]:
    """Seven parameters and the delay from two logs of a quadrotor, a third kept aside; the worse seen half is correlated."""
    structure = structure_of(load_robot("quadrotor"))
    estimated = (
        Estimated("mass", "kg", 0.027, 0.028412, 0.000312, Standing.IDENTIFIED, 0.00011, 0.00029),
        Estimated("inertia_x", "kg m²", 1.66e-5, 1.7231e-5, 6.4e-7, Standing.IDENTIFIED, 3.1e-7, 5.6e-7),
        Estimated("inertia_y", "kg m²", 1.67e-5, 1.6934e-5, 7.1e-7, Standing.IDENTIFIED, 3.3e-7, 6.3e-7),
        Estimated("inertia_z", "kg m²", 2.93e-5, 3.41e-5, 9.8e-6, Standing.PRIOR, 6.4e-6, 7.4e-6),
        Estimated("arm", "m", 0.046, 0.0458, 0.031, Standing.UNSEEN, 0.029, 0.011),
        Estimated("torque_per_thrust", "m", 0.006, 0.02, 0.0009, Standing.AT_BOUND, 0.0004, 0.0008),
        Estimated("motor_time_constant", "s", 0.05, 0.0312, 0.0021, Standing.IDENTIFIED, 0.0008, 0.0019),
        Estimated("control_delay", "s", 0.0, 0.01234, 0.00087, Standing.IDENTIFIED, 0.0003, 0.0008),
    )
    rng = np.random.default_rng(4)
    seen = "These data see only the ratio of arm and inertia_x (and inertia_y): one of them must be known from elsewhere."
    bound = "torque_per_thrust ended at its upper bound, 0.02 m: the bound decides, not the data."
    lost = "3 of 72 windows of melon_2 were left out, as the motion capture lost the vehicle in them (from 12.10 to 13.96 s)."
    logs = [flown_log(structure, name, seconds, k) for k, name in enumerate(("melon_1", "melon_2", "figure_eight"))]
    roles = ("fitted", "fitted", "validation")
    return (
        Identification(
            fit=fit_of(structure, estimated, notes=(seen, bound)),
            earlier=(
                replace(fit_of(structure, estimated), method="least squares of accelerations", iterations=1, seconds=0.04),
            ),
            nominal_predictions=tuple(predicted(structure, log, role, 3.0, rng) for log, role in zip(logs, roles, strict=True)),
            predictions=tuple(predicted(structure, log, role, 1.0, rng) for log, role in zip(logs, roles, strict=True)),
            window_lengths_s=np.array([0.25, 0.5, 0.76, 1.5, 3.0]),
            by_window_length=by_window_length(estimated, rng),
            notes=(lost,),
        ),
        logs,
    )


def fit_of(structure: ModelStructure, estimated: tuple[Estimated, ...], notes: tuple[str, ...] = ()) -> Fit:
    """A fit whose information is made up; the first and the last number are strongly correlated."""
    n = len(estimated)
    directions = np.linalg.qr(np.random.default_rng(7).normal(size=(n, n)))[0]
    singular = np.geomspace(1200.0, 0.6, n) if n > 1 else np.array([300.0])
    covariance = (directions / singular**2) @ directions.T
    spread = np.sqrt(np.diag(covariance))
    scale = np.array([abs(e.nominal) or 0.01 for e in estimated])
    correlation = covariance / np.outer(spread, spread)
    ny = len(structure.tangent_indices)
    return Fit(
        method="output error over the horizon",
        structure=structure,
        parameters=structure.dynamics.parameters,
        estimated=estimated,
        information=Information(tuple(e.name for e in estimated), scale, singular, directions, correlation),
        control_delay_s=0.012,
        biases=np.zeros(ny),
        lags=np.zeros(ny),
        signal_std=2.0 * structure.measurement_std,
        iterations=14,
        converged=True,
        seconds=3.217,
        notes=notes,
    )


def flown_log(structure: ModelStructure, name: str, seconds: float, seed: int) -> Log:
    """Smooth motion of every measured state, with the noise of its sensor; quaternions of unit length; one gap."""
    rng = np.random.default_rng(seed)
    times = np.arange(0.0, seconds, PERIOD_S)
    states = np.zeros((len(times), structure.dynamics.nx))
    for start in structure.dynamics.manifold.quaternions:
        states[:, start] = 1.0
    tangent = structure.dynamics.manifold.ndx
    rates, phases = rng.uniform(0.4, 5.0, (tangent, 3)), rng.uniform(0, 7, (tangent, 3))
    motion = np.sin(times[:, None, None] * rates + phases).sum(axis=2) * rng.uniform(0.1, 0.5, tangent)
    noise = np.zeros(tangent)
    noise[list(structure.tangent_indices)] = structure.measurement_std
    moved = structure.dynamics.manifold.retract(states, motion + noise * rng.normal(size=motion.shape))
    measured = moved[:, list(structure.measured_indices)]
    controls = np.zeros((len(times), structure.dynamics.nu))
    gap = (len(times) // 2, len(times) // 2 + min(60, len(times) // 8))
    return Log(
        name=name,
        times=times,
        measured=measured,
        controls=controls,
        pieces=((0, gap[0]), (gap[1], len(times))),
        path=Path("logs") / f"{name}.mcap",
        digest=f"{seed:x}3f5a9c01e4" * 6,
        notes=(f"{name}: {times[gap[0]]:.2f} to {times[gap[1]]:.2f} s left out, no observation arrived",),
    )


def predicted(structure: ModelStructure, log: Log, role: str, size: float, rng: np.random.Generator) -> LogPrediction:
    """Windows of the horizon in which the error grows from start to end, by `size` standard deviations and a coloured noise."""
    d, steps = structure.dynamics, round(structure.horizon_s / PERIOD_S)
    starts = tuple(i for a, b in log.pieces for i in range(a, b - 1, steps))
    error = np.full((len(log.times), len(structure.measurement_std)), np.nan)
    for start in starts:
        end = min([start + steps, *(b for a, b in log.pieces if a <= start < b)])
        ramp = np.linspace(-1.0, 1.0, end - start)[:, None] ** 2 - 0.3
        error[start:end] = size * structure.measurement_std * rng.normal(size=error.shape[1]) * 2 * ramp
    error += structure.measurement_std * rng.normal(size=error.shape)
    whole = np.zeros((len(log.times), d.nx))
    for start in d.manifold.quaternions:
        whole[:, start] = 1.0
    whole[:, list(structure.measured_indices)] = log.measured
    change = np.zeros((len(log.times), d.manifold.ndx))
    change[:, list(structure.tangent_indices)] = -error
    predictions = d.manifold.retract(whole, change)[:, list(structure.measured_indices)]
    growth = np.linspace(1 / steps, 1.0, steps)[:, None] ** 1.4
    final = np.array([8 * np.linalg.norm(structure.measurement_std[list(s.tangent)]) for s in structure.signals])
    worse = 1.25 if role == "validation" else 1.0
    mean_error = worse * size * (1 + 0.1 * rng.normal()) * growth * final
    drifted = np.where(np.arange(len(final)) == len(final) - 1, np.inf, 3 * size * final)  # the last signal runs away
    return LogPrediction(
        *(log.name, role, log.times, log.measured, predictions, error, PERIOD_S, mean_error, starts),
        open_loop=predictions,
        open_loop_rms=drifted,
    )


def by_window_length(estimated: tuple[Estimated, ...], rng: np.random.Generator, lengths: int = 5) -> np.ndarray:
    return np.array([[e.value + 0.4 * e.half_width * rng.normal() for e in estimated] for _ in range(lengths)])


class Decays(Dynamics):
    """ẋ_i = −a_i x_i + u: as many states and as many parameters as a test asks for."""

    def __init__(self, states: int, parameters: int) -> None:
        self.name = "decays"
        self.state_names = tuple(f"level_{i}" for i in range(states))
        self.state_units = ("m",) * states
        self.control_names, self.control_units = ("inflow",), ("m/s",)
        self.manifold = Euclidean(states)
        self.parameters = Parameters(tuple(Parameter(f"rate_{i}", 0.5 + i, "1/s", 0.0, 1000.0) for i in range(parameters)))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return -x * ca.sum1(p) + u


def decays_example(
    states: int = 1, parameters: int = 1, fitted: int = 1, validation: int = 0, lengths: int = 0, seconds: float = 6.0
) -> tuple[Identification, list[Log]]:
    """As small or as large as wanted."""
    d = Decays(states, parameters)
    structure = ModelStructure("decays", "tanks that leak", d, d.state_names, np.full(states, 0.01), horizon_s=0.5)
    estimated = tuple(
        Estimated(p.name, p.unit, p.value, 1.1 * p.value, 0.05 * p.value, Standing.IDENTIFIED) for p in d.parameters
    )
    rng = np.random.default_rng(1)
    logs = [flown_log(structure, f"run_{i}", seconds, i) for i in range(fitted + validation)]
    roles = ["fitted"] * fitted + ["validation"] * validation
    pairs = list(zip(logs, roles, strict=True))
    return (
        Identification(
            fit=fit_of(structure, estimated),
            earlier=(),
            nominal_predictions=tuple(predicted(structure, log, role, 2.0, rng) for log, role in pairs),
            predictions=tuple(predicted(structure, log, role, 1.0, rng) for log, role in pairs),
            window_lengths_s=np.geomspace(0.25, 4.0, lengths) if lengths else np.zeros(0),
            by_window_length=by_window_length(estimated, rng, lengths),
        ),
        logs,
    )


def unknown_everywhere(identification: Identification) -> Identification:
    """The same with NaN for every number that a fit may fail to find."""
    fit = identification.fit
    estimated = tuple(Estimated(e.name, e.unit, e.nominal, NAN, NAN, Standing.UNSEEN) for e in fit.estimated)
    n = len(estimated)
    blank = Information(fit.information.names, np.full(n, NAN), np.full(n, NAN), np.full((n, n), NAN), np.full((n, n), NAN))
    failed = replace(fit, estimated=estimated, information=blank, converged=False, signal_std=np.full_like(fit.signal_std, NAN))
    return replace(
        identification,
        fit=failed,
        nominal_predictions=tuple(_blank(p) for p in identification.nominal_predictions),
        predictions=tuple(_blank(p) for p in identification.predictions),
        by_window_length=np.full_like(identification.by_window_length, NAN),
    )


def _blank(p: LogPrediction) -> LogPrediction:
    nothing = (np.full_like(a, NAN) for a in (p.measured, p.predicted, p.residuals, p.error))
    measured, predicted_, residuals, error = nothing
    return replace(
        p,
        open_loop_rms=np.full_like(p.open_loop_rms, NAN),
        measured=measured,
        predicted=predicted_,
        residuals=residuals,
        error=error,
        window_starts=(),
    )
