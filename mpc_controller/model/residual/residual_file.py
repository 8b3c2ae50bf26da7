"""Residuals as bytes and on disk: one .npz without pickled objects, whole or not at all, exact on the way back.

format, metadata    the version of this layout; everything that is no number, as JSON text
weights             (n,) float32: member by member, layer by layer, W row by row, then b
center, scale, lower, upper, fade, precision, disagreement, bound, density_limit, strength, parameters    float64
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.model.parameters import Parameters
from mpc_controller.model.residual.network import Activation, Array32, LayerShape, Network, NetworkShape
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Guard, Residual, ResidualShape
from mpc_controller.whole_file import objection, write_whole

VERSION = 1
TOLERANCE = 1e-9  # relative, of parameters that count as the same
_SHOWN = 3  # differences that an error names
_ZIP = b"PK\x03\x04"
_GUARD = ("lower", "upper", "fade", "precision", "density_limit", "disagreement", "bound")
_NUMBERS = ("center", "scale", *_GUARD, "strength", "parameters")
_SCALARS = ("density_limit", "strength")
_TEXTS = ("family", "robot", "model_hash")


class ResidualError(ValueError):
    """A residual that cannot be read or written, or that belongs to another model; one sentence."""


def save_residual(path: Path, residual: Residual, force: bool = False) -> None:
    """Write a residual file. One that is there is replaced only with `force`; else ResidualError."""
    if reason := objection(path, force):
        raise ResidualError(reason)
    content = residual_bytes(residual)
    try:
        write_whole(path, content)
    except OSError as error:
        raise ResidualError(f"{path}: cannot be written: {error.strerror or error}") from None


def load_residual(path: Path) -> Residual:
    """Read a residual file; ResidualError says what is wrong with it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ResidualError(f"{path}: no such file; it must be a residual that was learned and saved") from None
    except OSError as error:
        raise ResidualError(f"{path}: cannot be read: {error.strerror or error}") from None
    return residual_from_bytes(data, str(path))


def residual_bytes(residual: Residual) -> bytes:
    """The file's content: the same bytes for the same residual."""
    buffer = io.BytesIO()
    metadata = np.frombuffer(_metadata(residual).encode("utf-8"), np.uint8)
    np.savez(buffer, format=np.array(VERSION), metadata=metadata, weights=_weights(residual), **_numbers(residual))  # type: ignore[arg-type]
    return buffer.getvalue()


def residual_from_bytes(data: bytes, source: str) -> Residual:
    """The residual of which these are the bytes; `source` says in errors where they come from."""
    if not data.startswith(_ZIP):
        raise ResidualError(f"{source}: not a residual file" + ("; it is empty" if not data else ""))
    arrays = _arrays(data, source)
    try:
        return _residual(arrays)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ResidualError(f"{source}: not a sound residual: {_told(error)}") from None


def residual_hash(residual: Residual) -> str:
    """12 hexadecimal digits of all that is in it: weights, guard, strength, and what it says of itself."""
    digest = hashlib.sha256(_metadata(residual).encode("utf-8"))
    digest.update(_weights(residual).tobytes())
    for number in _numbers(residual).values():
        digest.update(number.tobytes())
    return digest.hexdigest()[:12]


def described(residual: Residual) -> str:
    """In a few words: "mlp 32 x 32 tanh, 11 features, 6 outputs"."""
    *hidden, last = residual.shape.network.layers
    widths = " x ".join(str(layer.outputs) for layer in hidden)
    kinds = sorted({str(layer.activation) for layer in hidden})
    members = f"{residual.shape.members} times " if residual.shape.members > 1 else ""
    inside = " ".join(part for part in (f"{members}{widths}", *kinds) if part)
    dissipative = ", dissipative" if residual.shape.conjugate else ""
    return f"{residual.family} {inside}".strip() + f", {residual.shape.nz} features, {last.outputs} outputs{dissipative}"


def check_belongs(residual: Residual, robot_name: str, model_hash: str, parameters: Parameters, port: ResidualPort) -> None:
    """ResidualError unless it was learned for this robot, these equations, these values (to 1e-9) and this port."""
    if residual.robot != robot_name:
        raise ResidualError(f"a residual of {residual.robot} cannot correct {robot_name}; give one that was learned for it")
    for what, given, wanted in (
        ("features", residual.feature_names, port.feature_names),
        ("outputs", residual.output_names, port.output_names),
    ):
        if given != wanted:
            raise ResidualError(
                f"the residual of {robot_name} has the {what} {', '.join(given)}; its port has {', '.join(wanted)}: "
                "learn it anew"
            )
    if residual.model_hash != model_hash:
        raise ResidualError(
            f"the residual of {robot_name} corrects the equations {residual.model_hash}; the model has {model_hash}: "
            "learn it anew"
        )
    if differences := _differences(residual, parameters):
        shown = "; ".join(differences[:_SHOWN]) + (f"; and {len(differences) - _SHOWN} more" if differences[_SHOWN:] else "")
        raise ResidualError(
            f"the residual of {robot_name} corrects a model with other parameters ({shown}): load those that it was learned "
            f"with, or learn it anew with these"
        )


def _differences(residual: Residual, parameters: Parameters) -> list[str]:
    """Parameters that are not the same, with both values."""
    told = []
    for parameter in parameters:
        name, value, unit = parameter.name, parameter.value, parameter.unit
        then = residual.parameters.get(name)
        if then is None:
            told.append(f"it knew no {name}, which is {value:.12g} {unit}".rstrip())
        elif not math.isclose(then, value, rel_tol=TOLERANCE):
            told.append(f"{name} was {then:.12g}, and is {value:.12g} {unit}".rstrip())
    told += [f"{name} was {then:.12g}, and is none" for name, then in residual.parameters.items() if name not in parameters]
    return told


def _metadata(residual: Residual) -> str:
    shape = residual.shape
    try:
        return json.dumps(
            {
                "layers": [_layer(layer) for layer in shape.network.layers],
                "members": shape.members,
                "conjugate": list(shape.conjugate),
                **{name: getattr(residual, name) for name in _TEXTS},
                "parameter_names": list(residual.parameters),
                "feature_names": list(residual.feature_names),
                "output_names": list(residual.output_names),
                "accepted": residual.accepted,
                "metrics": dict(residual.metrics),
                "provenance": dict(residual.provenance),
            }
        )
    except (TypeError, ValueError) as error:
        raise ResidualError(f"a residual of {residual.robot} cannot be saved: metrics or provenance: {error}") from None


def _layer(layer: LayerShape) -> list[Any]:
    """As JSON; an alpha stands last where there is one."""
    plain = [layer.inputs, layer.outputs, str(layer.activation), layer.skip]
    return plain if layer.alpha is None else [*plain, layer.alpha]


def _weights(residual: Residual) -> Array32:
    parts = [part for n in residual.networks for pair in zip(n.weights, n.biases, strict=True) for part in pair]
    return np.concatenate([np.asarray(part, np.float32).ravel() for part in parts])


def _numbers(residual: Residual) -> dict[str, Array]:
    values = {
        "center": residual.center,
        "scale": residual.scale,
        **{name: getattr(residual.guard, name) for name in _GUARD},
        "strength": residual.strength,
        "parameters": list(residual.parameters.values()),
    }
    return {name: np.asarray(value, np.float64) for name, value in values.items()}


def _arrays(data: bytes, source: str) -> Mapping[str, npt.NDArray[Any]]:
    """Everything in the file, once it is one of this version."""
    # Stored, not packed: nothing in it is larger than the file, whoever sent it.
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data) for entry in archive.infolist()):
                raise ResidualError(f"{source}: not a residual file")
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            if not {"format", "metadata"} <= names:
                raise ResidualError(f"{source}: not a residual file; it holds {', '.join(sorted(names)) or 'nothing'}")
            version = _array(archive, "format")
            if version.shape != () or version.dtype.kind not in "iu" or int(version) != VERSION:
                raise ResidualError(f"{source}: a residual file of version {version}; this program reads version {VERSION}")
            missing = [name for name in ("weights", *_NUMBERS) if name not in names]
            if missing:
                raise ResidualError(f"{source}: not a whole residual file; it lacks {', '.join(missing)}")
            return {name: _array(archive, name) for name in ("metadata", "weights", *_NUMBERS)}
    except ResidualError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError, RuntimeError, OverflowError, MemoryError):
        raise ResidualError(f"{source}: cut off or damaged: {len(data)} bytes that cannot be read as a whole") from None


def _array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    content = archive.read(name + ".npy")  # all of it: this checks its checksum
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} is no array")
    return array


def _residual(arrays: Mapping[str, npt.NDArray[Any]]) -> Residual:
    for name, kind in {"metadata": np.uint8, "weights": np.float32, **dict.fromkeys(_NUMBERS, np.float64)}.items():
        if arrays[name].dtype != kind:
            raise ValueError(f"{name} is of type {arrays[name].dtype}; it must be {np.dtype(kind)}")
        if name in _SCALARS and arrays[name].shape != ():
            raise ValueError(f"{name} has shape {arrays[name].shape}; it must be one number")
    said = json.loads(arrays["metadata"].tobytes().decode("utf-8"))
    layers = [
        LayerShape(_whole(i), _whole(o), Activation(a), _whole(skip), *map(_real, alpha))
        for i, o, a, skip, *alpha in said["layers"]
    ]
    network = NetworkShape(tuple(layers))
    shape = ResidualShape(network, _whole(said["members"]), tuple(map(_whole, said["conjugate"])))
    names, values = _names(said["parameter_names"]), arrays["parameters"]
    if values.shape != (len(names),):
        raise ValueError(f"parameters has shape {values.shape}; there are {len(names)} names")
    guarded: dict[str, Any] = {name: float(arrays[name]) if name in _SCALARS else arrays[name] for name in _GUARD}
    return Residual(
        shape=shape,
        networks=_networks(shape, arrays["weights"]),
        center=arrays["center"],
        scale=arrays["scale"],
        guard=Guard(**guarded),
        **{name: _text(said[name]) for name in _TEXTS},
        parameters=dict(zip(names, values.tolist(), strict=True)),
        feature_names=_names(said["feature_names"]),
        output_names=_names(said["output_names"]),
        accepted=said["accepted"] is True,
        strength=float(arrays["strength"]),
        metrics=dict(said["metrics"]),
        provenance=dict(said["provenance"]),
    )


def _networks(shape: ResidualShape, weights: Array32) -> tuple[Network, ...]:
    wanted = shape.members * shape.network.weight_count
    if weights.shape != (wanted,):
        raise ValueError(f"{weights.size} weights; {shape.members} networks of this shape have {wanted}")
    networks, at = [], 0
    for _ in range(shape.members):
        matrices, biases = [], []
        for layer in shape.network.layers:
            size = layer.outputs * layer.inputs
            matrices.append(weights[at : at + size].reshape(layer.outputs, layer.inputs))
            biases.append(weights[at + size : at + size + layer.outputs])
            at += size + layer.outputs
        networks.append(Network(shape.network, tuple(matrices), tuple(biases)))
    return tuple(networks)


def _whole(given: Any) -> int:
    if type(given) is not int:
        raise TypeError(f"{given!r} where a whole number must be")
    return given


def _real(given: Any) -> float:
    if type(given) not in (int, float):
        raise TypeError(f"{given!r} where a number must be")
    return float(given)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"{given!r} where a text must be")
    return given


def _names(given: Any) -> tuple[str, ...]:
    return tuple(map(_text, given))


def _told(error: Exception) -> str:
    return f"its metadata lacks {error}" if isinstance(error, KeyError) else str(error)
