"""A network that was trained elsewhere as a residual: with a guard from logs, and judged as any other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.learning.data_set import DataSet, divided
from mpc_controller.learning.guard import bound_of, disagreement_of, range_of
from mpc_controller.learning.learn import LearnedResidual
from mpc_controller.learning.onnx_import import import_onnx
from mpc_controller.learning.options import LearningError
from mpc_controller.learning.provenance import provenance_of
from mpc_controller.learning.validation import validated
from mpc_controller.model.dynamics import equations_hash
from mpc_controller.model.residual.network import NO_SKIP, Activation, LayerShape, Network, NetworkShape
from mpc_controller.model.residual.residual import Residual, ResidualShape
from mpc_controller.native.native_residual import NativeResidual


def learn_imported(
    structure: ModelStructure,
    path: Path,
    logs: Sequence[Log],
    validation: Sequence[Log] = (),
    report: Callable[[str], None] = lambda line: None,
    *,
    hold_out: float = 0.0,
    model_hash: str | None = None,
) -> LearnedResidual:
    """The network of an ONNX file, from the features of the structure's port to its outputs, in their units.

    Its guard covers the features along `logs`, and its bound the outputs there. The other arguments, and who judges, as for
    `learning.learn.learn`. Raises LearningError, NetworkImportError.
    """
    network = import_onnx(path).network
    learned, judging = divided(structure, logs, validation, hold_out)
    data = DataSet(structure, report)
    port = data.step.port
    if (network.shape.inputs, network.shape.outputs) != (port.nz, port.nr):
        raise LearningError(
            f"{path}: the network takes {network.shape.inputs} numbers and gives {network.shape.outputs}; {structure.name} has "
            f"{port.nz} features ({', '.join(port.feature_names)}) and {port.nr} outputs ({', '.join(port.output_names)})"
        )
    tracks, judges = data.tracks(learned), data.tracks(judging)
    z = np.concatenate([data.features(track, track.starts(1)) for track in tracks])
    residual = _guarded(network, z, structure, port.feature_names, port.output_names, model_hash, report)
    judged = validated(data, residual, judges, tracks, report)
    provenance = provenance_of(structure, data.delay_s, tracks, judges, _network_file(path))
    metrics = {"rows": [row.as_json() for row in judged.rows], "reason": judged.reason}
    residual = replace(residual, accepted=judged.accepted, metrics=metrics, provenance=provenance)
    return LearnedResidual(residual, judged.rows, judged.reason, {}, (), False, judged.traces, port)


def _network_file(path: Path) -> dict[str, str]:
    return {"network": f"{path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"}


def _guarded(
    network: Network,
    z: Array,
    structure: ModelStructure,
    features: tuple[str, ...],
    outputs: tuple[str, ...],
    model_hash: str | None,
    report: Callable[[str], None],
) -> Residual:
    """The network behind a layer that undoes the normalisation of z (n, nz), with the guard of z and of its outputs there."""
    range_ = range_of(z)
    shape = ResidualShape(_behind_affine(network.shape))
    first = np.diag(range_.scale).astype(np.float32), range_.center.astype(np.float32)
    whole = Network(shape.network, (first[0], *network.weights), (first[1], *network.biases))
    free = np.full(shape.nr, np.finfo(np.float32).max, dtype=float)
    residual = Residual(
        shape=shape,
        networks=(whole,),
        center=range_.center,
        scale=range_.scale,
        guard=range_.guard(free, np.ones(shape.nr)),
        family="imported",
        robot=structure.name,
        model_hash=model_hash or equations_hash(structure.name, structure.dynamics, structure.measured),
        parameters={p.name: float(p.value) for p in structure.dynamics.parameters},
        feature_names=features,
        output_names=outputs,
        accepted=False,
    )
    y, _ = NativeResidual(shape, report).values(residual, z)
    return replace(residual, guard=range_.guard(bound_of(y[None]), disagreement_of(y[None])))


def _behind_affine(shape: NetworkShape) -> NetworkShape:
    """The shape with an identity layer in front, which skips of the others count, too."""
    first = LayerShape(shape.inputs, shape.inputs, Activation.IDENTITY)
    moved = (replace(layer, skip=layer.skip if layer.skip == NO_SKIP else layer.skip + 1) for layer in shape.layers)
    return NetworkShape((first, *moved))
