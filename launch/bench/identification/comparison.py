"""Contenders on the same data: estimates, time, error of what was held out, spread over window lengths, and coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from launch.bench.identification.case import Case, drive_case
from launch.bench.identification.contender import Contender, Outcome, OwnContender
from launch.bench.identification.drive import DriveKind
from launch.bench.peers.box_fddp import PeerError
from launch.bench.peers.mujoco_sysid import MujocoSysid
from launch.bench.pinned import pinned
from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log

COVERAGE_WINDOW_S, _COVERAGE_LOG_S = 2.0, 12.0
_Row = dict[str, Any]


def contenders(case: Case, report: Callable[[str], None], complain: Callable[[str], None]) -> list[Contender]:
    """Ours, and MuJoCo's where it can be had; else it is said what is missing."""
    found: list[Contender] = [OwnContender(case, report)]
    try:
        found.append(MujocoSysid(case))
    except PeerError as error:
        complain(f"not measured: {error}")
    return found


def fit_rows(case: Case, contender: Contender, progress: Callable[[str], None]) -> list[_Row]:
    """One a window length, and the spread of every estimate over all of them."""
    rows, outcomes = [], []
    for window_s in case.lengths_s:
        progress(f"{case.name}: {contender.name}, windows of {window_s:g} s")
        with pinned():
            outcome = contender.fit(case.logs, window_s)
            judged = outcome if case.judged_logs is case.logs else _judged(case, contender, window_s)
        outcomes.append(outcome)
        rows.append(
            {
                "kind": "fit",
                "case": case.name,
                "contender": contender.name,
                "window_s": window_s,
                "names": list(case.structure.estimated),
                "values": outcome.values.tolist(),
                "half_widths": outcome.half_widths.tolist(),
                "seconds": outcome.seconds,
                "fit_s": outcome.fit_s,
                "converged": outcome.is_converged,
                "validation_rms": [] if judged is None else [_error(contender, judged.values, log) for log in case.validation],
                "error_unit": case.error_unit[0],
                "error_scale": case.error_unit[1],
            }
        )
    return [*rows, *_spread(case, contender, outcomes)]


def _judged(case: Case, contender: Contender, window_s: float) -> Outcome | None:
    """The fit whose model simulates what was held out; None where a window is longer than what is left to fit to."""
    longest = max(log.times[b - 1] - log.times[a] for log in case.judged_logs for a, b in log.pieces)
    return contender.fit(case.judged_logs, window_s) if window_s <= 1.01 * longest else None


def _error(contender: Contender, values: Array, log: Log) -> float:
    """RMS of measured less simulated positions."""
    return float(np.sqrt(np.nanmean((contender.open_loop(values, log) - log.measured[:, 0]) ** 2)))


def _spread(case: Case, contender: Contender, outcomes: Sequence[Outcome]) -> list[_Row]:
    """Middle and half range of the estimates, and how many of the stated intervals hold the middle."""
    values, stated = (np.array([getattr(o, what) for o in outcomes]) for what in ("values", "half_widths"))
    middle, half_range = (values.max(axis=0) + values.min(axis=0)) / 2, (values.max(axis=0) - values.min(axis=0)) / 2
    table = case.structure.dynamics.parameters
    return [
        {
            "kind": "spread",
            "case": case.name,
            "contender": contender.name,
            "parameter": name,
            "unit": table[name].unit,
            "middle": middle[k],
            "half_range": half_range[k],
            "stated": float(np.median(stated[:, k])),
            "holding": int((np.abs(values[:, k] - middle[k]) <= stated[:, k]).sum()),
            "fits": len(outcomes),
        }
        for k, name in enumerate(case.structure.estimated)
    ]


def coverage_rows(seeds: int, progress: Callable[[str], None]) -> list[_Row]:
    """How often intervals that are stated at 95 % hold the truth: simulated drives, other noise and motion every time."""
    rows = []
    for kind in DriveKind:
        first = drive_case(kind, 0, _COVERAGE_LOG_S)
        for contender in contenders(first, progress, lambda line: None):
            off, stated = [], []
            for seed in range(seeds):
                progress(f"{first.name}: {contender.name}, seed {seed + 1} of {seeds}")
                case = drive_case(kind, seed, _COVERAGE_LOG_S)
                with pinned():
                    outcome = contender.fit(case.logs, COVERAGE_WINDOW_S)
                assert case.truth is not None
                off.append(outcome.values - case.truth)
                stated.append(outcome.half_widths)
            rows += _covered(first, contender, np.array(off), np.array(stated))
    return rows


def _covered(case: Case, contender: Contender, off: Array, stated: Array) -> list[_Row]:
    return [
        {
            "kind": "coverage",
            "case": case.name,
            "contender": contender.name,
            "parameter": name,
            "unit": case.structure.dynamics.parameters[name].unit,
            "inside": int((np.abs(off[:, k]) <= stated[:, k]).sum()),
            "seeds": len(off),
            "rms_error": float(np.sqrt(np.mean(off[:, k] ** 2))),
            "stated": float(np.median(stated[:, k])),
        }
        for k, name in enumerate(case.structure.estimated)
    ]
