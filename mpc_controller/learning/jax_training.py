"""Training with logs left out in turn, which say when to stop and which outputs help; then once more with all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.learning.data_set import DataSet, Track
from mpc_controller.learning.draft import Draft
from mpc_controller.learning.families import one_step
from mpc_controller.learning.guard import bound_of, disagreement_of
from mpc_controller.learning.jax_multi_step import MultiStep, training_steps
from mpc_controller.learning.jax_one_step import output_values
from mpc_controller.learning.judge import Judge, draft_residual
from mpc_controller.learning.labels import Labels, sensor_noise
from mpc_controller.learning.left_out import divisions
from mpc_controller.learning.options import LearningError, LearnOptions
from mpc_controller.model.residual.residual import Residual

_STARTS = (1.0, 0.3, 0.0)  # shares of the one-step solution that multi-step training may start from
_FACTORS = (1.0, 0.75, 0.5, 0.25, 0.0)  # what outputs may be scaled by: all together, then one by one by those next to it
_MARGIN = 1e-4  # of the score, for which an output is scaled


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """residual: without names, robot and judgement. factors (nr,): what every output was scaled by."""

    residual: Residual
    factors: Array
    curves: Mapping[str, tuple[float, ...]]
    notes: tuple[str, ...]
    interrupted: bool


@final
@dataclass(eq=False)
class _Folds:
    """What was learned from the logs that were left out."""

    epochs: list[int] = field(default_factory=list)
    drafts: list[tuple[Draft, Sequence[Track]]] = field(default_factory=list)
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    interrupted: bool = False


def trained(
    data: DataSet, tracks: Sequence[Track], labels: Labels, options: LearnOptions, report: Callable[[str], None]
) -> Outcome:
    """The residual from all tracks, for as long and with those outputs that serve tracks which are left out."""
    steps = training_steps(options, data.structure.horizon_s, min(track.log.period_s for track in tracks))
    first = _one_step(data, tracks, labels, options)
    multi = MultiStep(data, first.shape, steps, sensor_noise(data, tracks), options)
    every = multi.windows(tracks)
    if not len(every.starts):
        raise LearningError(
            f"{data.structure.name}: no piece of a log is longer than the horizon, {steps} steps; give longer ones"
        )
    judge = Judge(data, first.shape, report)
    folds = _left_out(data, tracks, labels, multi, judge, options, report)
    curve: tuple[float, ...] = ()
    if folds.interrupted and folds.drafts:
        draft, interrupted = folds.drafts[0][0], True
    else:
        epochs = round(float(np.mean(folds.epochs))) if folds.epochs else options.epochs
        start = _shrunk(judge, first, tracks)
        if options.multi_step and epochs:
            report(f"training on all logs: {epochs} epochs")
            draft, progress = multi.fit(start, every, epochs, None, report)
            curve, interrupted = progress.training, progress.interrupted
        else:
            draft, interrupted = start, False
    factors = _factors(judge, folds.drafts, data.step.nr, report)
    curves = {"training": curve, **folds.curves}
    notes = _notes(data, folds, factors, options)
    return Outcome(
        residual_of(data, draft.scaled(factors).with_members(), tracks),
        factors,
        curves,
        notes,
        interrupted or folds.interrupted,
    )


def residual_of(data: DataSet, draft: Draft, tracks: Sequence[Track]) -> Residual:
    """A draft as it will run, its bounds and disagreements from where it was trained; what names it is still to come."""
    y, each = output_values(draft, _features(data, tracks))
    return draft_residual(draft, data, bound_of(y), disagreement_of(each))


def _left_out(
    data: DataSet,
    tracks: Sequence[Track],
    labels: Labels,
    multi: MultiStep,
    judge: Judge,
    options: LearnOptions,
    report: Callable[[str], None],
) -> _Folds:
    """Training without some of the logs. Physics that was identified from all knows those that are left out, the residual does
    not: it must be better by more than it will be elsewhere. (With physics fitted anew without them, residuals of the Crazyflie
    come out larger and are worse on a flight of another kind: 0.98 instead of 0.95 of physics alone, position 1.02.)"""
    folds = _Folds()
    for name, learned, aside, chosen in divisions(tracks, labels, options.folds):
        windows, kept = multi.windows(learned), [track for track in aside if judge.judges(track)]
        if not len(windows.starts) or not kept:
            continue
        start = _shrunk(judge, _one_step(data, learned, chosen, options), learned)
        if options.multi_step:
            report(f"training without {name}")
            draft, progress = multi.fit(start, windows, options.epochs, partial(_score, judge, kept), report)
            folds.epochs.append(progress.best)
            folds.curves[f"left out {name}"] = progress.aside
            folds.interrupted = progress.interrupted
        else:
            draft = start
        folds.drafts.append((draft, kept))
        if folds.interrupted:
            break
    return folds


def _one_step(data: DataSet, tracks: Sequence[Track], labels: Labels, options: LearnOptions) -> Draft:
    return one_step(data.step.port, labels, _features(data, tracks), options)


def _features(data: DataSet, tracks: Sequence[Track]) -> Array:
    return np.concatenate([data.features(track, track.starts(1)) for track in tracks])


def _score(judge: Judge, tracks: Sequence[Track], draft: Draft) -> float:
    return judge.score(draft, tracks)


def _shrunk(judge: Judge, draft: Draft, tracks: Sequence[Track]) -> Draft:
    """The share of the one-step solution that predicts best: noise in the labels makes it too eager over many steps."""
    count, long = draft.shape.nr, [track for track in tracks if judge.judges(track)]
    if draft.shape.conjugate or not long:
        return draft
    return min((draft.scaled(np.full(count, share)) for share in _STARTS), key=lambda d: judge.score(d, long))


def _factors(judge: Judge, drafts: Sequence[tuple[Draft, Sequence[Track]]], count: int, report: Callable[[str], None]) -> Array:
    """(nr,): what each output is scaled by for the best score on what was left out."""
    if not drafts:
        return np.ones(count)
    report("choosing outputs by what was left out")

    def score(tried: Array) -> float:
        return float(np.mean([judge.score(draft.scaled(tried), kept) for draft, kept in drafts]))

    best, factors = min(
        ((score(np.full(count, factor)), np.full(count, factor)) for factor in _FACTORS), key=lambda pair: pair[0]
    )
    for output in range(count):
        at = _FACTORS.index(factors[output])
        for factor in (*_FACTORS[at + 1 : at + 2], *_FACTORS[max(at - 1, 0) : at], 0.0):
            tried = factors.copy()
            tried[output] = factor
            if (found := score(tried)) < best - _MARGIN:
                best, factors = found, tried
    return factors


def _notes(data: DataSet, folds: _Folds, factors: Array, options: LearnOptions) -> tuple[str, ...]:
    notes = []
    names = data.step.port.output_names
    if dropped := [name for name, factor in zip(names, factors, strict=True) if factor == 0]:
        notes.append(f"outputs that did not help where logs were left out, and are 0: {', '.join(dropped)}")
    if not folds.drafts and options.folds:
        notes.append("no log could be left out, so that nothing says when to stop")
    return tuple(notes)
