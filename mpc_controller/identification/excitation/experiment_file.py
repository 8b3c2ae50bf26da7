"""An excitation experiment on disk: one small TOML file, exact both ways.

robot = "cartpole"
duration_s = 10.0               # of the signals

[[channel]]                     # one for every channel of the robot's Excitation, in its order
name = "position"
unit = "m"
shape = "multisine"
blend_s = 1.0
frequencies = [0.1, 0.2]        # Hz
sines = [0.1, 0.05]             # unit
cosines = [0.0, -0.05]

[[channel]]
name = "angle"
unit = "rad"
shape = "doublets"
starts = [0.0, 4.0]             # s
lengths = [0.5, 0.4]
heights = [0.1, -0.1]           # unit
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpc_controller.identification.excitation.experiment import Experiment, check_experiment, excitation_of
from mpc_controller.identification.excitation.signal import Doublets, Multisine, Shape
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.robot import Channel, Robot
from mpc_controller.toml_table import parse_toml
from mpc_controller.whole_file import objection, write_whole

_KEYS = {
    "multisine": ("blend_s", "frequencies", "sines", "cosines"),
    "doublets": ("starts", "lengths", "heights"),
}


def save_experiment(experiment: Experiment, robot: Robot, path: Path, notes: Mapping[str, str], force: bool = False) -> None:
    """Write the file, whole or not at all; `notes` are said in comments at its top. Raises IdentificationError."""
    lines = [f"# {name}: {text}" for name, text in notes.items()]
    lines += [f'robot = "{experiment.robot}"', f"duration_s = {experiment.signal_s!r}"]
    for channel, shape in zip(excitation_of(robot).channels, experiment.shapes, strict=True):
        lines += ["", "[[channel]]", f'name = "{channel.name}"', f'unit = "{channel.unit}"', *_shape_lines(shape)]
    if reason := objection(path, force):
        raise IdentificationError(reason)
    write_whole(path, "\n".join(lines) + "\n")


def load_experiment(path: Path, robot: Robot) -> Experiment:
    """Read and check an experiment for this robot. Raises IdentificationError with the file's name."""
    try:
        document = parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise IdentificationError(f"{path}: cannot be read: {error}") from None
    except ValueError as error:
        raise IdentificationError(f"{path}: not valid TOML: {error}") from None
    try:
        experiment = _experiment(document, excitation_of(robot).channels)
        check_experiment(experiment, robot)
    except IdentificationError as error:
        raise IdentificationError(f"{path}: {error}") from None
    return experiment


def _experiment(document: Mapping[str, Any], channels: Sequence[Channel]) -> Experiment:
    _check_keys("the file", document, ("robot", "duration_s", "channel"))
    tables, duration_s = document["channel"], _numbers("duration_s", [document["duration_s"]])[0]
    if not isinstance(tables, list) or [_named(table) for table in tables] != [(c.name, c.unit) for c in channels]:
        expected = ", ".join(f"{c.name} [{c.unit}]" for c in channels)
        raise IdentificationError(f"the channels must be {expected}, a [[channel]] with name and unit each, in this order")
    return Experiment(str(document["robot"]), tuple(_shape(table, duration_s) for table in tables))


def _named(table: object) -> tuple[object, object]:
    return (table.get("name"), table.get("unit")) if isinstance(table, dict) else (None, None)


def _shape(table: Mapping[str, Any], duration_s: float) -> Shape:
    what, kind = f"channel '{table['name']}'", table.get("shape")
    if not isinstance(kind, str) or kind not in _KEYS:
        raise IdentificationError(f"{what}: 'shape' is {kind!r}; it must be one of {', '.join(_KEYS)}")
    _check_keys(what, table, ("name", "unit", "shape", *_KEYS[kind]))
    try:
        if kind == "multisine":
            blend_s = _numbers("blend_s", [table["blend_s"]])[0]
            return Multisine(duration_s, blend_s, *(_numbers(key, table[key]) for key in _KEYS[kind][1:]))
        return Doublets(duration_s, *(_numbers(key, table[key]) for key in _KEYS[kind]))
    except IdentificationError as error:
        raise IdentificationError(f"{what}: {error}") from None


def _numbers(key: str, values: object) -> tuple[float, ...]:
    if not isinstance(values, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise IdentificationError(
            f"'{key}' is {values!r}; it must be {'a list of numbers' if key[-2:] != '_s' else 'a number'}"
        )
    try:
        return tuple(float(v) for v in values)
    except OverflowError:
        raise IdentificationError(f"'{key}' has a number that is too large; each must be below 1.8e308") from None


def _check_keys(what: str, table: Mapping[str, Any], keys: Sequence[str]) -> None:
    if set(table) != set(keys):
        raise IdentificationError(f"{what} has the keys {', '.join(table)}; it must have {', '.join(keys)}")


def _shape_lines(shape: Shape) -> list[str]:
    kind = "multisine" if isinstance(shape, Multisine) else "doublets"
    values = [(key, getattr(shape, key)) for key in _KEYS[kind]]
    plain = [(key, [float(x) for x in v] if isinstance(v, tuple) else float(v)) for key, v in values]
    return [f'shape = "{kind}"', *(f"{key} = {v!r}" for key, v in plain)]
