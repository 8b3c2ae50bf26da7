"""Data and a model that every contender is given alike."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
from scipy.signal import savgol_filter

from launch.bench.identification.drive import DriveKind, drive_log
from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, split
from mpc_controller.identification.log_files.mapping import read_mapping
from mpc_controller.identification.log_files.read import read_logs
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.model.parameters import Parameters
from robots import load_structure, log_mapping

_FOLDER = Path(__file__).parent
_DRIVE_PARTS = {
    "mass": ("mass", "table"),
    "viscous": ("damping", "slide"),
    "coulomb": ("friction", "slide"),
    "offset": ("offset", "drive"),
}
# Gravity in pendulum.xml is ω₀², as its mass times length and its inertia about the joint are 1.
_PENDULUM_PARTS = {
    "stiffness": ("gravity", ""),
    "coulomb": ("friction", "hinge"),
    "air_drag": ("quadratic damping", "hinge"),
    "angle_offset": ("tilt", "arm"),
}
_LENGTHS_S = (0.5, 2.0, 6.0, 12.0, 24.0)
# Of the polynomials: of orders 2 and 4 over 11 to 201 samples, fixed initial states fit best with these.
_SMOOTHED, _ORDER = 51, 4
_DURATION_S = 24.8  # of a simulated record, as long as the EMPS one


@final
@dataclass(frozen=True)
class Case:
    """One joint, whose position is the first measured state and whose state is (position, velocity).

    The spread over `lengths_s` of windows is of fits to `logs`; what fits to `judged_logs` find simulates `validation` open
    loop. mjcf: the same model for MuJoCo; parts: of every estimated parameter, which kind of value of which element it is
    there (see peers/mujoco_sysid.py). truth: values of the estimated parameters, where they are known. error_unit: its name,
    and how many make one of the state's.
    """

    name: str
    structure: ModelStructure
    logs: tuple[Log, ...]
    judged_logs: tuple[Log, ...]
    validation: tuple[Log, ...]
    lengths_s: tuple[float, ...]
    mjcf: Path
    parts: Mapping[str, tuple[str, str]]
    error_unit: tuple[str, float]
    truth: Array | None = None

    def states(self, log: Log) -> Array:
        """(K, 2) position and velocity from local polynomials through the measured positions: where a contender does not fit
        its initial states, they are these."""
        smooth = (savgol_filter(log.measured[:, 0], _SMOOTHED, _ORDER, deriv=k, delta=log.period_s) for k in (0, 1))
        return np.stack(list(smooth), axis=1)


def cases(data: Path | None, *, is_quick: bool) -> list[Case]:
    """The simulated drives; with a folder of recordings also what was recorded."""
    found = [drive_case(kind, 0, _DURATION_S / 4 if is_quick else _DURATION_S, is_quick) for kind in DriveKind]
    return found if data is None else [*found, _emps(data, is_quick), _pendulum(data, is_quick)]


def drive_case(kind: DriveKind, seed: int, duration_s: float, is_quick: bool = False) -> Case:
    """A simulated record to fit, and another motion to validate with."""
    free = kind is DriveKind.FREE
    structure = _drive_structure("drive-free" if free else "drive", {"coulomb": 0.0} if free else {})
    truth, log = drive_log(kind, seed, duration_s)
    _, other = drive_log(kind, seed + 1000, duration_s / 2)
    logs = _inner(log)
    return Case(
        name=f"simulated drive, {kind.value}",
        structure=structure,
        logs=logs,
        judged_logs=logs,
        validation=_inner(other),
        lengths_s=_lengths(duration_s, is_quick),
        mjcf=_FOLDER / "drive.xml",
        parts=_DRIVE_PARTS,
        error_unit=("mm", 1e3),
        truth=np.array([truth[name] for name in structure.estimated]),
    )


def _emps(data: Path, is_quick: bool) -> Case:
    """The benchmark's own test record validates where it is there, else the second half of the estimation record."""
    structure = _drive_structure("emps", {})
    log = _read(data / "emps" / "DATA_EMPS.mat", structure)[0]
    test = data / "emps" / "DATA_EMPS_PULSES.mat"
    first, second = split(log, 0.5)
    logs = _inner(log)
    judged, validation = (logs, _inner(*_read(test, structure))) if test.is_file() else (_inner(first), _inner(second))
    return Case(
        name="EMPS drive",
        structure=structure,
        logs=logs,
        judged_logs=judged,
        validation=validation,
        lengths_s=_lengths(24.8, is_quick),
        mjcf=_FOLDER / "drive.xml",
        parts=_DRIVE_PARTS,
        error_unit=("mm", 1e3),
    )


def _pendulum(data: Path, is_quick: bool) -> Case:
    structure = replace(load_structure("pendulum"), lagged=())
    name = "SinglePendulumDataForParameterEstimation.mat"
    logs = _inner(*_read(data / "free_swing_pendulums" / name, structure)[: 1 if is_quick else None])
    return Case(
        name="single pendulum",
        structure=structure,
        logs=logs,
        judged_logs=logs,
        validation=_inner(*_read(data / "free_swing_pendulums" / f"{name}#vad", structure)),
        lengths_s=_lengths(9.2, is_quick),
        mjcf=_FOLDER / "pendulum.xml",
        parts=_PENDULUM_PARTS,
        error_unit=("mrad", 1e3),
    )


def _drive_structure(name: str, known: Mapping[str, float]) -> ModelStructure:
    """At most four parameters, as MuJoCo's joints have no friction that depends on the direction; `known` are not fitted."""
    structure = load_structure("emps")
    dynamics = copy.copy(structure.dynamics)
    table = dynamics.parameters
    dynamics.parameters = Parameters(tuple(replace(p, value=known.get(p.name, p.value)) for p in table))
    fixed = tuple(name for name in table.names if name not in _DRIVE_PARTS or name in known)
    return replace(structure, name=name, dynamics=dynamics, fixed=fixed, controls_held=name != "emps")


def _inner(*logs: Log) -> tuple[Log, ...]:
    """Without the ends of a record, where local polynomials are worse; all of these logs are of one piece."""
    side, found = _SMOOTHED // 2, []
    for log in logs:
        ((a, b),) = log.pieces
        found.append(replace(log, pieces=((max(a, side), min(b, len(log.times) - side)),)))
    return tuple(found)


def _lengths(duration_s: float, is_quick: bool) -> tuple[float, ...]:
    """Those that fit into a record; what is left of it if none of them is nearly all of it."""
    if is_quick:
        return _LENGTHS_S[:2]
    fitting = tuple(length for length in _LENGTHS_S if length <= duration_s)
    return fitting if fitting[-1] > 0.75 * duration_s else (*fitting, float(int(duration_s)))


def _read(path: Path, structure: ModelStructure) -> Sequence[Log]:
    mapping = log_mapping("pendulum" if structure.name == "pendulum" else "emps")
    return read_logs(path, structure, None if mapping is None else read_mapping(mapping, structure))
