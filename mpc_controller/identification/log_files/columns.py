"""Named arrays of a CSV, NPZ or MAT file, record by record; numbers are read when they are asked for."""

from __future__ import annotations

import csv
import difflib
import gzip
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from mpc_controller.identification.model_structure import IdentificationError

_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, NotImplementedError, csv.Error, zlib.error, zipfile.BadZipFile)
_LARGEST_WHOLE = np.iinfo(np.int64).max
_SHOWN = 12  # names in a message


@final
@dataclass(frozen=True)
class Columns:
    """What one file holds, by name: a function that gives the numbers, or a list of such for the cells of a MAT file.

    notes: what is wrong with the file as a whole, and does no harm.
    """

    path: Path
    readers: Mapping[str, Callable[[], Any]]
    cells: Mapping[str, tuple[Any, ...]]
    notes: tuple[str, ...] = ()

    def records(self, used: set[str]) -> int:
        """How many records the columns in use have: that of their cells, which must agree; 1 without cells."""
        counts = {name: len(self.cells[name]) for name in sorted(used) if name in self.cells}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"'{name}' has {n}" for name, n in counts.items())
            raise IdentificationError(f"{self.path}: cells of one record after the other must be as many: {found}")
        return next(iter(counts.values()), 1)

    def numbers(self, name: str, record: int) -> np.ndarray[Any, Any]:
        """The array of a column, or of a cell. Raises IdentificationError when it is not there or not made of numbers."""
        if name in self.cells:
            return self._checked(f"{name}{{{record}}}", self.cells[name][record])
        if name in self.readers:
            return self._checked(name, self.readers[name]())
        raise IdentificationError(f"{self.path}: no column '{name}'{self._hint(name)}")

    def __contains__(self, name: object) -> bool:
        return name in self.readers or name in self.cells

    @cached_property
    def names(self) -> tuple[str, ...]:
        return (*self.readers, *self.cells)

    def _hint(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.names, n=1)
        shown = ", ".join(self.names[:_SHOWN]) + (", ..." if len(self.names) > _SHOWN else "")
        return (f" (did you mean '{close[0]}'?)" if close else "") + f"; there are {shown or 'none'}"

    def _checked(self, name: str, values: Any) -> np.ndarray[Any, Any]:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise IdentificationError(f"{self.path}: '{name}' is {array.dtype}; it must be real numbers")
        return array


def read_columns(path: Path) -> Columns:
    """Open a table by the ending of its name. Raises IdentificationError with the file and what is wrong with it."""
    endings = {".csv": _csv, ".csv.gz": _csv, ".txt": _csv, ".npz": _npz, ".mat": _mat}
    reader = next((reader for ending, reader in endings.items() if path.name.lower().endswith(ending)), None)
    if reader is None:
        raise IdentificationError(f"{path}: logs are .mcap, {', '.join(endings)}")
    if not path.is_file():
        raise IdentificationError(f"{path}: no such file")
    try:
        return reader(path)
    except IdentificationError:
        raise
    except (*_BROKEN, MatReadError) as error:
        raise IdentificationError(f"{path}: cannot be read as {path.suffix[1:]}: {error}") from None


def _csv(path: Path) -> Columns:
    """Columns of text by the names of the first line; an incomplete last line, as a cut writer leaves it, is left out."""
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if path.name.lower().endswith(".gz")
        else path.open(encoding="utf-8-sig", newline="") as file
    ):
        head = file.readline()
        delimiter = max(",;\t", key=head.count)
        names = [name.strip() for name in next(csv.reader([head.lstrip("#")], delimiter=delimiter), [])]
        table = csv.reader(file, delimiter=delimiter)
        rows = [(table.line_num + 1, row) for row in table if row]
    notes: tuple[str, ...] = ()
    if rows and len(rows[-1][1]) < len(names):
        rows, notes = rows[:-1], ("the last line is incomplete; left out",)
    _check_table(path, names, rows)

    def reader(column: int) -> Callable[[], Any]:
        return lambda: _floats(path, names[column], [(line, row[column]) for line, row in rows])

    return Columns(path, {name: reader(i) for i, name in enumerate(names)}, {}, notes)


def _check_table(path: Path, names: list[str], rows: list[tuple[int, list[str]]]) -> None:
    """IdentificationError unless there are names, each once, and rows of as many fields."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise IdentificationError(f"{path}: the first line names {', '.join(map(repr, twice))} more than once")
    if not names or _is_number(names[0]):
        raise IdentificationError(f"{path}: the first line must have the columns' names; it starts with {names[:1]}")
    for number, row in rows:
        if len(row) != len(names):
            raise IdentificationError(f"{path}: line {number} has {len(row)} fields; the first line names {len(names)} columns")
    if not rows:
        raise IdentificationError(f"{path}: no rows")


def _floats(path: Path, name: str, fields: list[tuple[int, str]]) -> np.ndarray[Any, Any]:
    """Numbers from the texts of lines; an empty one is NaN. Whole numbers stay whole: nanoseconds do not fit into a double."""
    texts = [text for _, text in fields]
    try:
        if all(text.isdecimal() and int(text) <= _LARGEST_WHOLE for text in texts):
            return np.array([int(text) for text in texts], dtype=np.int64)
        return np.array([text if text.strip() else "nan" for text in texts], dtype=float)
    except ValueError:
        line, wrong = next((line, text) for line, text in fields if text.strip() and not _is_number(text))
        raise IdentificationError(f"{path}: line {line}: '{name}' is '{wrong}'; it must be a number") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _npz(path: Path) -> Columns:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return Columns(path, {name: _constant(array) for name, array in arrays.items()}, {})


def _mat(path: Path) -> Columns:
    """Variables, fields of structures by names with dots, and cells."""
    try:
        variables = scipy.io.loadmat(path)
    except NotImplementedError:
        raise IdentificationError(f"{path}: MATLAB's format 7.3 is not read; save it with: save(file, '-v7')") from None
    readers: dict[str, Callable[[], Any]] = {}
    cells: dict[str, tuple[Any, ...]] = {}
    open_values = [(name, value) for name, value in variables.items() if not name.startswith("__")]
    while open_values:
        name, value = open_values.pop(0)
        array = np.asarray(value)
        if array.dtype.names is not None and array.size == 1:
            open_values += [(f"{name}.{key}", array.flat[0][key]) for key in array.dtype.names]
        elif array.dtype == object:
            cells[name] = tuple(array.flat)
        else:
            readers[name] = _constant(array)
    return Columns(path, readers, cells)


def _constant(array: Any) -> Callable[[], Any]:
    return lambda: array
