"""A recording as arrays: what the plant saw, what was true, what was planned, what happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, final

import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.bus.messages import Event, Message, Observation, Plan, Truth
from mpc_controller.bus.recording import read_recording
from mpc_controller.solvers.solution import Status

_USABLE = [status for status in Status if status.is_usable]


@final
@dataclass(frozen=True)
class Observations:
    """n observations: times [ns], measured (n, ny), controls (n, nu) applied before each, modes, the plans that were followed
    (0: none) and their ages [ns]; the plant's count of them, which rises by one, and by more where some did not come."""

    times: IntArray
    sequences: IntArray
    measured: Array
    controls: Array
    modes: IntArray
    plan_sequences: IntArray
    plan_ages: IntArray

    @property
    def lost(self) -> int:
        """How many did not come between those that did."""
        steps = np.diff(self.sequences)
        return int((steps[steps > 1] - 1).sum())


@final
@dataclass(frozen=True)
class Truths:
    """m true states (m, nx) at times [ns]; a real robot sends none."""

    times: IntArray
    states: Array


@final
@dataclass(frozen=True)
class Plans:
    """k plans: start times [ns], estimates (k, nx) and wanted reference rows (k, nr) at the starts, statuses, solve and loop
    times [ns], whether each missed its deadline."""

    times: IntArray
    estimates: Array
    references: Array
    statuses: IntArray
    solve_times: IntArray
    loop_times: IntArray
    deadline_missed: IntArray

    @property
    def failed(self) -> int:
        """How many ended without a plan to fly."""
        return int(np.count_nonzero(~np.isin(self.statuses, _USABLE)))


@final
@dataclass(frozen=True)
class Run:
    """One run: each stream in the order of its times, on the plant's clock. `task` and `solver` are '' without a plan.
    `truncated`: the recorder was cut short."""

    recording: str
    truncated: bool
    robot: str
    task: str
    solver: str
    observations: Observations
    truths: Truths
    plans: Plans
    events: tuple[Event, ...]

    @property
    def start_ns(self) -> int:
        """When the task's clock started: with the first plan, else with the first observation."""
        return int(self.plans.times[0] if len(self.plans.times) else self.observations.times[0])

    @property
    def duration_s(self) -> float:
        """From the first to the last observation."""
        return float(self.observations.times[-1] - self.observations.times[0]) * 1e-9


def load_run(path: Path) -> Run:
    """Read a recording; one that was cut short is read up to the cut.

    Raises RecordingError for a file that can't be read, ValueError for one without an observation.
    """
    recording = read_recording(path)
    messages = (message for _, message in recording.messages(Observation, Truth, Plan, Event))
    return run_of(messages, str(path), recording.truncated)


def run_of(messages: Iterable[Message], recording: str, truncated: bool = False) -> Run:
    """Sort messages into a run. Those of another size than the first of their kind are left out."""
    every = list(messages)
    observations = _alike([m for m in every if isinstance(m, Observation)])
    if not observations:
        raise ValueError(f"{recording}: no observation in {len(every)} messages; there is no run to show")
    truths = _alike([m for m in every if isinstance(m, Truth)])
    # A lock-step plant may have asked for a plan twice; the same one came again.
    plans = list({(m.epoch, m.sequence): m for m in every if isinstance(m, Plan)}.values())
    return Run(
        recording=recording,
        truncated=truncated,
        robot=observations[0].robot,
        task=plans[0].task if plans else "",
        solver=plans[0].solver if plans else "",
        observations=_observations(observations),
        truths=Truths(_integers(t.time_ns for t in truths), _rows([t.state for t in truths])),
        plans=_plans(plans),
        events=tuple(m for m in every if isinstance(m, Event)),
    )


M = TypeVar("M", Observation, Truth)


def _alike(messages: Sequence[M]) -> list[M]:
    """Those of the first one's sizes, by time."""
    same = [m for m in messages if _sizes(m) == _sizes(messages[0])]
    return sorted(same, key=lambda m: m.time_ns)


def _sizes(message: Observation | Truth) -> tuple[tuple[int, ...], ...]:
    if isinstance(message, Truth):
        return (message.state.shape,)
    return (message.measured.shape, message.control.shape)


def _observations(messages: Sequence[Observation]) -> Observations:
    return Observations(
        times=_integers(m.time_ns for m in messages),
        sequences=_integers(m.sequence for m in messages),
        measured=_rows([m.measured for m in messages]),
        controls=_rows([m.control for m in messages]),
        modes=_integers(m.mode for m in messages),
        plan_sequences=_integers(m.plan_sequence for m in messages),
        plan_ages=_integers(m.plan_age_ns for m in messages),
    )


def _plans(messages: Sequence[Plan]) -> Plans:
    """Rows that a failed solve left out are NaN."""
    plans = sorted(messages, key=lambda m: m.start_ns)
    return Plans(
        times=_integers(m.start_ns for m in plans),
        estimates=_rows([m.estimate for m in plans]),
        references=_rows([m.reference for m in plans]),
        statuses=_integers(m.status for m in plans),
        solve_times=_integers(m.solve_time_ns for m in plans),
        loop_times=_integers(m.loop_time_ns for m in plans),
        deadline_missed=_integers(m.deadline_missed for m in plans),
    )


def _integers(values: Iterable[int]) -> IntArray:
    return np.fromiter(values, dtype=np.int64)


def _rows(arrays: Sequence[Array]) -> Array:
    """(n, width) of the longest one's width; NaN where an array has another one. (0, 0) of nothing."""
    width = max((len(a) for a in arrays), default=0)
    rows = np.full((len(arrays), width), np.nan)
    for row, array in zip(rows, arrays, strict=True):
        if len(array) == width:
            row[:] = array
    return rows
