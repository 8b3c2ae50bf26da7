"""Parameters on disk: one TOML table a parameter, checked on the way in, exact on the way out.

[provenance]                # free keys: who made the values, how, when, from what
method = "published values"

["mass"]                    # one table a parameter, in the order of the model
value = 0.027               # required, finite, within the bounds
unit = "kg"                 # required; "" for a ratio
lower = 0.02                # optional, as upper, description, source and std (≥ 0)

[covariance]                # optional
names = ["mass", "drag"]    # parameters left out are taken as exact
matrix = [[1e-8, 0.0], [0.0, 1e-4]]
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit

from mpc_controller.arrays import Array
from mpc_controller.model.parameters import Parameter, ParameterError, Parameters
from mpc_controller.toml_table import parse_toml
from mpc_controller.whole_file import objection, write_whole

_RESERVED = ("provenance", "covariance")
_NUMBERS = ("value", "lower", "upper", "std")
_TEXTS = ("unit", "description", "source")
_KEYS = (*_NUMBERS, *_TEXTS)


def load_parameters(path: Path, expected: Parameters | None = None) -> Parameters:
    """Read a parameter file; with `expected`, the model's table, names and units must agree and its order is kept.

    Raises ParameterError with file, line, key, what was given and what would be valid.
    """
    text = _read(path)
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise ParameterError(f"{path}: not valid TOML: {error}") from None
    source = _Source(path, text)
    provenance = document.pop("provenance", {})
    if not isinstance(provenance, dict):
        raise source.error("provenance", None, f"'provenance' is {provenance!r}; it must be a table")
    covariance = document.pop("covariance", None)
    table = {name: _parameter(source, name, entry) for name, entry in document.items()}
    names = tuple(table) if expected is None else _matching(source, table, expected)
    matrix = None if covariance is None else _covariance(source, covariance, names)
    return Parameters(tuple(table[name] for name in names), matrix, provenance)


def save_parameters(parameters: Parameters, path: Path, force: bool = False) -> None:
    """Write a parameter file that loads to the same parameters, bit by bit.

    The file appears whole or not at all. An existing one is replaced only with `force`; else ParameterError.
    """
    if reason := objection(path, force):
        raise ParameterError(reason)
    write_whole(path, _document(parameters))


class _Source:
    """A file's text, to say on which line a table or a key stands."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def error(self, table: str, key: str | None, message: str) -> ParameterError:
        line = self._line(table, key)
        return ParameterError(f"{self._path}: {message}" + (f" (line {line})" if line else ""))

    def _line(self, table: str, key: str | None) -> int | None:
        """The line of a key in a table; of the table's header without a key, or where the key is not found."""
        header = re.compile(rf"""\s*(\[\s*["']?{re.escape(table)}["']?\s*\]|["']?{re.escape(table)}["']?\s*=)""")
        found: int | None = None
        for number, line in enumerate(self._lines, start=1):
            if found is None:
                found = number if header.match(line) else None
            elif line.lstrip().startswith("["):
                break
            elif key is not None and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
                return number
        return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParameterError(f"{path}: no such file; it must be a TOML file of parameters") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read: {error}") from None


def _parameter(source: _Source, name: str, entry: Any) -> Parameter:
    """One table of the file as a Parameter."""
    if not isinstance(entry, dict):
        raise source.error(name, None, f"'{name}' is {entry!r}; it must be a table with the keys {', '.join(_KEYS)}")
    for key, given in entry.items():
        if isinstance(given, dict):
            raise source.error(f"{name}.{key}", None, f"'{name}.{key}': write a name with a dot in quotes, [\"{name}.{key}\"]")
        if key not in _KEYS:
            raise source.error(name, key, f"'{name}': unknown key '{key}'; valid are {', '.join(_KEYS)}")
    for key in ("value", "unit"):
        if key not in entry:
            raise source.error(name, None, f"'{name}': no '{key}'; every parameter needs 'value' and 'unit'")
    numbers = {key: _number(source, name, key, entry[key]) for key in _NUMBERS if key in entry}
    texts = {key: _text(source, name, key, entry[key]) for key in _TEXTS if key in entry}
    try:
        return Parameter(name, numbers.pop("value"), texts.pop("unit"), **numbers, **texts)  # type: ignore[arg-type]
    except ParameterError as error:
        key = "lower" if "reversed" in str(error) else "value"
        raise source.error(name, key, str(error)) from None


def _number(source: _Source, name: str, key: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise source.error(name, key, f"'{name}': {key} is {given!r}; it must be a number")
    try:
        number = float(given)
    except OverflowError:
        raise source.error(name, key, f"'{name}': {key} has {len(str(given))} digits; it must be below 1.8e308") from None
    infinite_is_fine = key in ("lower", "upper")
    if math.isnan(number) or (math.isinf(number) and not infinite_is_fine):
        raise source.error(name, key, f"'{name}': {key} is {given}; it must be a finite number")
    if key == "std" and number < 0:
        raise source.error(name, key, f"'{name}': std is {given}; it must be at least 0")
    return number


def _text(source: _Source, name: str, key: str, given: Any) -> str:
    if not isinstance(given, str):
        raise source.error(name, key, f"'{name}': {key} is {given!r}; it must be a string")
    return given


def _matching(source: _Source, table: Mapping[str, Parameter], expected: Parameters) -> tuple[str, ...]:
    """The model's names, once the file has exactly these with the model's units."""
    for name, parameter in table.items():
        if name not in expected:
            raise source.error(name, None, f"unknown parameter '{name}'; this model has {', '.join(expected.names)}")
        if parameter.unit != expected[name].unit:
            message = f"'{name}': unit is '{parameter.unit}'; this model has '{expected[name].unit}'"
            raise source.error(name, "unit", message)
    missing = [name for name in expected.names if name not in table]
    if missing:
        raise source.error(
            "", None, f"no parameter {', '.join(map(repr, missing))}; this model has {', '.join(expected.names)}"
        )
    return expected.names


def _covariance(source: _Source, entry: Any, names: tuple[str, ...]) -> Array:
    """The covariance (n, n) in the order of `names`; zero where the file leaves a parameter out."""
    if not isinstance(entry, dict) or set(entry) != {"names", "matrix"}:
        raise source.error("covariance", None, "'covariance' must be a table with the keys names, matrix")
    given = entry["names"]
    if not isinstance(given, list) or len(set(map(str, given))) != len(given) or not set(map(str, given)) <= set(names):
        message = f"'covariance': names are {given!r}; each must be one of {', '.join(names)}, once"
        raise source.error("covariance", "names", message)
    try:
        block = np.array(entry["matrix"], dtype=float)
    except (TypeError, ValueError):
        block = np.empty(0)
    n = len(given)
    if block.shape != (n, n) or not np.isfinite(block).all() or (block != block.T).any() or (np.diag(block) < 0).any():
        message = f"'covariance': matrix must be {n} rows of {n} finite numbers, symmetric, with a diagonal of at least 0"
        raise source.error("covariance", "matrix", message)
    where = [names.index(name) for name in given]
    matrix = np.zeros((len(names), len(names)))
    matrix[np.ix_(where, where)] = block
    return matrix


def _document(parameters: Parameters) -> str:
    document = tomlkit.document()
    if parameters.provenance:
        document["provenance"] = dict(parameters.provenance)
    for p in parameters:
        if p.name in _RESERVED:
            raise ParameterError(
                f"a parameter named '{p.name}' cannot be saved; {' and '.join(_RESERVED)} are tables of the file"
            )
        if math.isinf(p.value):
            raise ParameterError(f"'{p.name}' is {p.value:g}; only finite values can be saved")
        entry: dict[str, float | str] = {"value": float(p.value), "unit": p.unit}
        if p.lower != -math.inf:
            entry["lower"] = float(p.lower)
        if p.upper != math.inf:
            entry["upper"] = float(p.upper)
        if p.std is not None:
            entry["std"] = float(p.std)
        entry |= {key: text for key, text in (("description", p.description), ("source", p.source)) if text}
        document[p.name] = entry
    if parameters.covariance is not None:
        rows = [[float(v) for v in row] for row in parameters.covariance]
        document["covariance"] = {"names": list(parameters.names), "matrix": rows}
    return tomlkit.dumps(document)
