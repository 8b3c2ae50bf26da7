"""A network that was trained elsewhere as a residual: with a guard from logs, and judged as any other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.learning.data_set import DataSet, Track, divided
from mpc_controller.learning.guard import RARE, Range, bound_of, points_between, range_between, range_of
from mpc_controller.learning.learn import LearnedResidual
from mpc_controller.learning.onnx_import import import_onnx
from mpc_controller.learning.options import LearningError
from mpc_controller.learning.provenance import provenance_of
from mpc_controller.learning.validation import Validation, validated
from mpc_controller.model.dynamics import equations_hash
from mpc_controller.model.residual.network import NO_SKIP, Activation, LayerShape, Network, NetworkShape
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Residual, ResidualShape
from mpc_controller.native.native_residual import NativeResidual

NOT_JUDGED = "no log has judged it"


def learn_imported(
    structure: ModelStructure,
    path: Path,
    logs: Sequence[Log],
    validation: Sequence[Log] = (),
    report: Callable[[str], None] = lambda line: None,
    *,
    hold_out: float = 0.0,
    model_hash: str | None = None,
    ranges: tuple[Array, Array] | None = None,
) -> LearnedResidual:
    """The network of an ONNX file, from the features of the structure's port to its outputs, in their units.

    Its guard covers the features along `logs`, and its bound the outputs there. Without logs `ranges` say where it holds: lower
    and upper ends (nz,) of the features. `validation` alone judges then, and without it nothing: it is not accepted. The other
    arguments, and who judges, as for `learning.learn.learn`. Raises LearningError, NetworkImportError.
    """
    port = structure.residual_port
    if port is None:
        raise LearningError(f"'{structure.name}' does not say where a learned residual enters")
    network = _network_for(structure.name, port, path)
    learned, judging = divided(structure, logs, validation, hold_out) if ranges is None else ([], list(validation))
    data = DataSet(structure, report) if learned or judging else None
    tracks: list[Track] = data.tracks(learned) if data else []
    judges: list[Track] = data.tracks(judging) if data else []
    residual = _residual(structure, port, network, _within(ranges) if ranges else _along(data, tracks), report)
    judged = validated(data, residual, judges, tracks, report) if data else Validation((), False, NOT_JUDGED)
    said: dict[str, Any] = {"network": f"{path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"}
    if ranges:
        said["ranges"] = dict(zip(port.feature_names, np.transpose(ranges).tolist(), strict=True))
    residual = replace(
        residual,
        model_hash=model_hash or residual.model_hash,
        accepted=judged.accepted,
        metrics={"rows": [row.as_json() for row in judged.rows], "reason": judged.reason},
        provenance=provenance_of(structure, tracks, judges, said),
    )
    return LearnedResidual(residual, judged.rows, judged.reason, {}, (), False, judged.traces, port)


def _network_for(name: str, port: ResidualPort, path: Path) -> Network:
    network = import_onnx(path).network
    if (network.shape.inputs, network.shape.outputs) != (port.nz, port.nr):
        raise LearningError(
            f"{path}: the network takes {network.shape.inputs} numbers and gives {network.shape.outputs}; {name} has "
            f"{port.nz} features ({', '.join(port.feature_names)}) and {port.nr} outputs ({', '.join(port.output_names)})"
        )
    return network


@final
@dataclass(frozen=True, eq=False)
class _Cover:
    """Where a network holds, with features (n, nz) there, and the share of them whose outputs may be beyond the bound."""

    range: Range
    z: Array
    rare: float


def _along(data: DataSet | None, tracks: Sequence[Track]) -> _Cover:
    assert data is not None
    z = np.concatenate([data.features(track, track.starts(1)) for track in tracks])
    return _Cover(range_of(z), z, RARE)


def _within(ranges: tuple[Array, Array]) -> _Cover:
    return _Cover(range_between(*ranges), points_between(*ranges), 0.0)


def _residual(
    structure: ModelStructure, port: ResidualPort, network: Network, cover: _Cover, report: Callable[[str], None]
) -> Residual:
    """The network behind a layer that undoes the normalisation, with the guard of the cover and of its outputs there."""
    center, scale = cover.range.center, cover.range.scale
    shape = ResidualShape(_behind_affine(network.shape))
    weights = (np.diag(scale).astype(np.float32), *network.weights)
    free = np.full(shape.nr, np.finfo(np.float32).max, dtype=float)
    residual = Residual(
        shape=shape,
        networks=(Network(shape.network, weights, (center.astype(np.float32), *network.biases)),),
        center=center,
        scale=scale,
        guard=cover.range.guard(free, np.ones(shape.nr)),
        family="imported",
        robot=structure.name,
        model_hash=equations_hash(structure.name, structure.dynamics, structure.measured),
        parameters={p.name: float(p.value) for p in structure.dynamics.parameters},
        feature_names=port.feature_names,
        output_names=port.output_names,
        accepted=False,
    )
    y, _ = NativeResidual(shape, report).values(residual, cover.z)
    return replace(residual, guard=cover.range.guard(bound_of(y, cover.rare), np.ones(shape.nr)))


def _behind_affine(shape: NetworkShape) -> NetworkShape:
    """The shape with an identity layer in front, which skips of the others count, too."""
    first = LayerShape(shape.inputs, shape.inputs, Activation.IDENTITY)
    moved = (replace(layer, skip=layer.skip if layer.skip == NO_SKIP else layer.skip + 1) for layer in shape.layers)
    return NetworkShape((first, *moved))
