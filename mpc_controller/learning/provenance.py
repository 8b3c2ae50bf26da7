"""Where a residual comes from, as its file tells."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from mpc_controller.control.command_delay import PROVENANCE
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.learning.data_set import Track


def provenance_of(
    structure: ModelStructure,
    learned: Sequence[Track],
    judges: Sequence[Track],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """The date, the model and the commands' delay, the logs with their digests, and what else there is to say (JSON values)."""

    def files(tracks: Sequence[Track]) -> list[str]:
        return [f"{t.log.path.name if t.log.path else t.log.name} sha256:{t.log.digest}" for t in tracks]

    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "model": structure.name,
        "logs": files(learned),
        "validation_logs": files(judges),
        "horizon_s": structure.horizon_s,
        "control_delay_s": float(structure.dynamics.parameters.provenance.get(PROVENANCE, 0.0)),
        **more,
    }
