"""Tables in the columns of others' files, through a mapping, as records."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log_files.columns import Columns, read_columns
from mpc_controller.identification.log_files.condition import Keep, kept
from mpc_controller.identification.log_files.mapping import SET, LogMapping, QuaternionSource, Source, stem_of
from mpc_controller.identification.log_files.record import Record, Selection, time_base
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure


def table_records(
    path: Path, digest: str, structure: ModelStructure, mapping: LogMapping, selection: Selection, keep: Keep
) -> list[Record]:
    """All wanted records of a file. Raises IdentificationError."""
    columns = read_columns(path)
    set_name = selection.set_name or mapping.set_name
    used = {name.replace(SET, set_name or SET) for name in _names(mapping)}
    _check_set(path, mapping, set_name, used)
    count = columns.records(used)
    which = mapping.which if selection.which is None else selection.which
    for number in which or ():
        if number >= count:
            raise IdentificationError(f"{path}: no record {number}; there are {count}, from 0 on")
    chosen = range(count) if which is None else which
    label = path.name + (f"#{set_name}" if set_name else "#" if count > 1 else "")
    return [
        _Reader(columns, mapping, structure, set_name or "", number).record(
            f"{label}:{number}" if count > 1 else label, digest, mapping.keep & keep
        )
        for number in chosen
    ]


def _check_set(path: Path, mapping: LogMapping, set_name: str | None, used: set[str]) -> None:
    """IdentificationError for a set that is not there, or none where one is needed."""
    needed = any(SET in name for name in used) or any(source.index == SET for source in _sources(mapping))
    valid = f"; sets are {', '.join(mapping.sets)}" if mapping.sets else ""
    if set_name is None and needed:
        raise IdentificationError(f"{path}: {mapping.path} names columns by set; say which: {path.name}#SET{valid}")
    if set_name is not None and mapping.sets and set_name not in mapping.sets:
        raise IdentificationError(f"{path}: no set '{set_name}'{valid}")


def _sources(mapping: LogMapping) -> list[Source]:
    return [*mapping.measured.values(), *mapping.controls.values(), *([mapping.time] if mapping.time else [])]


def _names(mapping: LogMapping) -> list[str]:
    names = [name for source in _sources(mapping) for name in (source.column, source.scale_by) if name]
    return names + [name for source in mapping.quaternions.values() for name in source.columns]


@final
class _Reader:
    """One record of a file through a mapping."""

    def __init__(self, columns: Columns, mapping: LogMapping, structure: ModelStructure, set_name: str, number: int) -> None:
        self._columns, self._mapping, self._structure = columns, mapping, structure
        self._set, self._number = set_name, number
        self._samples = 0  # while the time column is read, which decides
        self._samples = self._length()

    def record(self, name: str, digest: str, keep: Keep) -> Record:
        m, s = self._mapping, self._structure
        if m.time is None:
            rate_hz = m.rate_hz or 1.0
            rows = np.arange(self._samples)
            times, notes = rows / rate_hz, list[str]()
        else:
            times, rows, notes = time_base(name, self._vector(m.time.column, m.time.index), m.time.factor)
        signals = {state: self._signal(source) for state, source in m.measured.items()}
        for stem, source in m.quaternions.items():
            signals |= self._quaternion(stem, source)
        controls = {control: self._signal(source) for control, source in m.controls.items()}
        if m.control_applied_before:
            controls = {control: np.append(values[1:], values[-1:]) for control, values in controls.items()}
        missing = np.full(self._samples, np.nan)
        measured = np.stack([signals.get(state, missing) for state in s.measured], axis=-1)
        commands = [controls[control] for control in s.dynamics.control_names]
        table = np.stack(commands, axis=-1) if commands else np.zeros((self._samples, 0))

        def lookup(wanted: str) -> Array:
            known = signals.get(wanted, controls.get(wanted))
            return (self._raw(wanted) if known is None else known)[rows]

        usable, left_out = kept(keep, times, lookup)
        return Record(
            name=name,
            path=self._columns.path,
            digest=digest,
            times=times,
            measured=measured[rows],
            controls=table[rows],
            usable=usable,
            starts=np.zeros(len(rows), dtype=bool),
            gap_s=m.gap_s,
            notes=(*self._columns.notes, *notes, *left_out),
        )

    def _length(self) -> int:
        """How many samples there are: of the time column, else of the longest vector in use."""
        if self._mapping.time is not None:
            return len(self._vector(self._mapping.time.column, self._mapping.time.index))
        sizes = [max(self._array(name).shape, default=1) for name in _names(self._mapping)]
        return max(sizes, default=1)

    def _signal(self, source: Source) -> Array:
        values = self._vector(source.column, source.index).astype(float)
        if source.scale_by:
            scale = self._array(source.scale_by)
            values = values * (float(scale.flat[0]) if scale.size == 1 else self._vector(source.scale_by, None))
        return source.factor * values + source.offset

    def _quaternion(self, stem: str, source: QuaternionSource) -> dict[str, Array]:
        """The four states of a quaternion, as w, x, y, z from body to world."""
        single = len(source.columns) == 1
        parts = [self._vector(source.columns[0 if single else k], k if single else None).astype(float) for k in range(4)]
        by_letter = dict(zip(source.order, parts, strict=True))
        sign = -1.0 if source.inverse else 1.0
        names = [state for state in self._structure.measured if stem_of(state) == stem]
        return {
            state: by_letter[letter] * (1.0 if letter == "w" else sign) for state, letter in zip(names, "wxyz", strict=True)
        }

    def _array(self, name: str) -> np.ndarray[Any, Any]:
        return self._columns.numbers(name.replace(SET, self._set), self._number)

    def _raw(self, wanted: str) -> Array:
        """A column for a condition: NAME, or NAME[2] of a matrix."""
        name, bracket, index = wanted.partition("[")
        number = int(index[:-1]) if bracket and index[:-1].isdecimal() else None
        if name.replace(SET, self._set) not in self._columns:
            known = ", ".join((*self._structure.measured, *self._structure.dynamics.control_names))
            raise IdentificationError(
                f"{self._columns.path}: a condition names '{wanted}'; it must be a signal ({known}) or a column of the file"
            )
        return self._vector(name, number).astype(float)

    def _vector(self, name: str, which: int | str | None) -> np.ndarray[Any, Any]:
        """One signal (K,) of an array: as it is, or row or column `which` of a matrix."""
        index = self._mapping.sets.index(self._set) if which == SET and self._set in self._mapping.sets else which
        if isinstance(index, str):
            raise IdentificationError(f"{self._mapping.path}: index = \"{SET}\" needs 'records.sets', the sets in their order")
        array = self._array(name)
        values = (
            array.reshape(-1)
            if array.size == max(array.shape, default=1) and index is None
            else self._slice(name, array, index)
        )
        if self._samples and len(values) != self._samples:
            raise IdentificationError(
                f"{self._columns.path}: '{name}' has {len(values)} samples, there are {self._samples}; they must be as many"
            )
        return values

    def _slice(self, name: str, array: np.ndarray[Any, Any], index: int | None) -> np.ndarray[Any, Any]:
        if array.ndim == 1 and index == 0:
            return array
        if array.ndim != 2 or index is None:
            raise IdentificationError(
                f"{self._columns.path}: '{name}' has the shape {array.shape}; of a matrix, 'index' says which signal, from 0 on"
            )
        along = self._mapping.samples_along or self._found_out(name, array)
        signals = array if along == "columns" else array.T
        if index >= len(signals):
            raise IdentificationError(f"{self._columns.path}: '{name}' has {len(signals)} signals; there is no index {index}")
        return np.asarray(signals[index])

    def _found_out(self, name: str, array: np.ndarray[Any, Any]) -> str:
        """Along which side of a matrix its samples lie, by their number; without one, along the longer."""
        if not self._samples:
            return "rows" if array.shape[0] >= array.shape[1] else "columns"
        fits = [along for along, size in zip(("rows", "columns"), array.shape, strict=True) if size == self._samples]
        if len(fits) != 1:
            raise IdentificationError(
                f"{self._columns.path}: '{name}' has the shape {array.shape} for {self._samples} samples; "
                '\'samples_along\' must say "rows" or "columns"'
            )
        return fits[0]
