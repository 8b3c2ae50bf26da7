"""Scores of drafts: the error over the controller's whole horizon with the code that it runs, relative to physics alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.learning.data_set import DataSet, Track
from mpc_controller.learning.draft import Draft
from mpc_controller.learning.rollout import horizon_error, no_correction
from mpc_controller.model.residual.residual import Residual, ResidualShape
from mpc_controller.native.native_residual import NativeResidual
from mpc_controller.native.residual_code import pack

_MOST_STEPS = 60_000  # of a log, for one score
_WORSE = 1.0  # weight of what is worse than physics alone, beside the mean
_HOPELESS = 10.0  # a ratio that is as bad as any


@final
class Judge:
    """Of drafts of one shape. The constructor compiles."""

    def __init__(self, data: DataSet, shape: ResidualShape, report: Callable[[str], None] = lambda line: None) -> None:
        self._data = data
        self._native = NativeResidual(shape, report)
        self._physics: dict[tuple[str, tuple[tuple[int, int], ...]], Array] = {}

    def score(self, draft: Draft, tracks: Sequence[Track]) -> float:
        """Mean of `ratios`, and what is above 1 once more: a residual that helps here and harms there is not wanted."""
        ratios = self.ratios(draft, tracks)
        return float(ratios.mean() + _WORSE * np.maximum(ratios - 1, 0).mean())

    def ratios(self, draft: Draft, tracks: Sequence[Track]) -> Array:
        """(tracks, signals): errors cumulated over the horizon with the draft, those with physics alone being 1."""
        packed = pack(draft_residual(draft, self._data))
        rows = []
        for track in tracks:
            fused = horizon_error(self._data, track, lambda z: self._native.values(packed, z), most=_MOST_STEPS).cumulated
            rows.append(np.nan_to_num(fused / self._alone(track), nan=_HOPELESS, posinf=_HOPELESS))
        return np.minimum(np.array(rows), _HOPELESS)

    def judges(self, track: Track) -> bool:
        """Whether it is long enough to say anything."""
        return bool(np.isfinite(self._alone(track)).all())

    def _alone(self, track: Track) -> Array:
        key = track.log.name, track.log.pieces
        if key not in self._physics:
            alone = no_correction(self._data.step.nr)
            self._physics[key] = horizon_error(self._data, track, alone, most=_MOST_STEPS).cumulated
        return np.maximum(self._physics[key], 1e-300)


def draft_residual(draft: Draft, data: DataSet, bound: Array | None = None, disagreement: Array | None = None) -> Residual:
    """A draft as a residual; without limits of its size it is what training sees."""
    wide = np.full(draft.shape.nr, 1e12)
    return Residual(
        shape=draft.shape,
        networks=draft.networks(),
        center=draft.range.center,
        scale=draft.range.scale,
        guard=draft.range.guard(wide if bound is None else bound, wide if disagreement is None else disagreement),
        family="",
        robot=data.structure.name,
        model_hash="",
        parameters={},
        feature_names=data.step.port.feature_names,
        output_names=data.step.port.output_names,
        accepted=False,
    )
