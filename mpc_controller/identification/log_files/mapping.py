"""How the columns of a file become the signals of a model: a small TOML file beside the machine's folder, or anywhere.

    absent = ["motor_1"]              # measured states of the model that this file does not have
    samples_along = "rows"            # of matrices: "rows" (K, n) or "columns" (n, K); found out where it can be
    control_applied = "after"         # a row's command acts until the next row; "before": it acted since the row before
    gap_s = 0.025                     # a longer step is a gap, never predicted across; 3.5 median steps when absent
    decimate = 4                      # every fourth sample; controls are averaged over the four
    anti_alias = true                 # low-pass without phase before that (the default)

    [records]                         # where a file holds several: cells of a MAT file, or columns named in sets
    set = "id"                        # goes into column names in place of {set}; FILE#vad chooses another
    sets = ["id", "vad"]              # optional: all of them; without `set`, the one that the model's name ends with
    which = [0, 2]                    # which cells, from 0; all when absent; FILE#vad:1 or FILE#:1 chooses another

    [time]
    column = "t"                      # or, where there is none: rate_hz = 200
    unit = "ms"                       # s, ms, us, ns; the record's first sample becomes 0 s

    [measured]                        # by the names of the model's measured states
    position = { column = "x", unit = "mm", sign = -1 }
    velocity = { column = "Y", index = 1, unit = "mm/s" }     # second column (or row) of a matrix; "{set}": the set's place

    [measured.quaternion]             # four columns, or a matrix; the states quaternion_w, quaternion_x, ...
    columns = ["qx", "qy", "qz", "qw"]
    order = "xyzw"                    # or "wxyz"
    direction = "body-to-world"       # or "world-to-body"

    [controls]                        # by the names of the model's controls
    force = { column = "volts", scale_by = "gain", unit = "N" }     # times a scalar, or a column, of the file
    pwm = { column = "servo", scale = 0.001, offset = -1.0, unit = "" }     # 1000 to 2000 µs to 0 to 1

    [keep]                            # optional: what of a record is used
    when = ["position > 0.1", "battery >= 3.0"]       # states and controls in the model's unit, else columns in their own
    margin_s = 0.5                    # s to drop after that becomes true and before it ends

A value is sign · scale · scale_by · column + offset, in `unit`, then converted to the model's unit. Units are products of
powers such as m, mm, deg/s, rpm, g, N m, %, 1/65535 (a ratio of counts); `g0` is standard gravity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from mpc_controller.identification.log_files.condition import Keep, parse_conditions
from mpc_controller.identification.log_files.units import UnitError, conversion
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from mpc_controller.toml_table import TomlTable

_LIMIT = 1e12
_SAMPLES = ("rows", "columns")
SET = "{set}"
_PARTS = ("_w", "_x", "_y", "_z")


@final
@dataclass(frozen=True)
class Source:
    """Where a signal comes from: factor · scale_by · column[index] + offset, in the model's unit.

    index: of a signal in a matrix, or SET: the place of the record's set among the mapping's.
    """

    column: str
    index: int | str | None = None
    factor: float = 1.0
    offset: float = 0.0
    scale_by: str = ""


@final
@dataclass(frozen=True)
class QuaternionSource:
    """Four columns, or the first four entries of one matrix, in the file's order; `inverse`: world to body."""

    columns: tuple[str, ...]
    order: str
    inverse: bool


@final
@dataclass(frozen=True)
class LogMapping:
    """A mapping file that fits a model: a source for every measured state (a quaternion by its first part's stem) and control.

    time is None with a fixed rate_hz; its factor goes to seconds.
    """

    path: Path
    time: Source | None
    rate_hz: float | None
    measured: dict[str, Source]
    quaternions: dict[str, QuaternionSource]
    controls: dict[str, Source]
    absent: tuple[str, ...] = ()
    samples_along: str | None = None
    control_applied_before: bool = False
    gap_s: float | None = None
    decimate: int = 1
    anti_alias: bool = True
    set_name: str | None = None
    sets: tuple[str, ...] = ()
    which: tuple[int, ...] | None = None
    keep: Keep = field(default_factory=Keep)


def read_mapping(path: Path, structure: ModelStructure) -> LogMapping:
    """Read a mapping for a model's logs. Raises TomlError with file, key, line, what was given and what would be valid."""
    top = TomlTable.read(path)
    units = dict(zip(structure.dynamics.state_names, structure.dynamics.state_units, strict=True))
    scalars, stems = _wanted(structure)
    absent = top.texts("absent", ())
    for name in absent:
        if name not in (*scalars, *stems):
            raise top.error("absent", f"must name measured states: {', '.join((*scalars, *stems))}")
    measured = top.table("measured")
    without = "a table with its column, or its name in 'absent'"
    quaternions = {stem: _quaternion(measured.required_table(stem, without)) for stem in stems if stem not in absent}
    sources = {name: _source(measured.required_table(name, without), units[name]) for name in scalars if name not in absent}
    time, rate_hz = _time(top.table("time"))
    controls = top.table("controls")
    control_units = zip(structure.dynamics.control_names, structure.dynamics.control_units, strict=True)
    records, keep = top.table("records"), top.table("keep")
    sets = records.texts("sets", ())
    mapping = LogMapping(
        path=path,
        time=time,
        rate_hz=rate_hz,
        measured=sources,
        quaternions=quaternions,
        controls={
            name: _source(controls.required_table(name, "a table with its column"), unit) for name, unit in control_units
        },
        absent=absent,
        samples_along=top.text("samples_along", None, _SAMPLES),
        control_applied_before=top.text("control_applied", "after", ("after", "before")) == "before",
        gap_s=top.number("gap_s", None, 1e-6, _LIMIT),
        decimate=top.integer("decimate", 1, 1, 1000),
        anti_alias=top.flag("anti_alias", default=True),
        set_name=_set_name(records, sets, structure),
        sets=sets,
        which=records.indices("which"),
        keep=_keep(keep),
    )
    for table in (top, measured, controls, records, keep):
        table.finish()
    return mapping


def _wanted(structure: ModelStructure) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The measured states that are numbers, and the stems of those that are quaternions."""
    names = structure.dynamics.state_names
    inside = {names[start + k] for start in structure.dynamics.manifold.quaternions for k in range(4)}
    first = [names[start] for start in structure.dynamics.manifold.quaternions if names[start] in structure.measured]
    return tuple(n for n in structure.measured if n not in inside), tuple(stem_of(name) for name in first)


def stem_of(name: str) -> str:
    """quaternion_w → quaternion."""
    return name[:-2] if name.endswith(_PARTS) else name


def _source(table: TomlTable, unit: str) -> Source:
    """One signal, with its factors together."""
    column = table.required_text("column")
    given = table.text("unit", None)
    if given is None and unit:
        raise table.lacks("unit", f"one that can become '{unit}'")
    try:
        factor = conversion(given or "", unit)
    except UnitError as error:
        raise table.refusal("unit", error) from None
    sign = table.integer("sign", 1, -1, 1)
    if sign == 0:
        raise table.error("sign", "must be 1 or -1")
    scale = table.number("scale", 1.0, -_LIMIT, _LIMIT)
    if not scale:
        raise table.error("scale", "must not be 0")
    offset = table.number("offset", 0.0, -_LIMIT, _LIMIT) or 0.0
    source = Source(column, _index(table), sign * scale * factor, offset * factor, table.text("scale_by", "") or "")
    table.finish()
    return source


def _quaternion(table: TomlTable) -> QuaternionSource:
    columns = table.texts("columns", ())
    if len(columns) not in (1, 4):
        raise (
            table.error("columns", "must be four columns, or one matrix") if columns else table.lacks("columns", "four columns")
        )
    order = table.required_text("order", ("wxyz", "xyzw"))
    direction = table.required_text("direction", ("body-to-world", "world-to-body"))
    table.finish()
    return QuaternionSource(columns, order, direction == "world-to-body")


def _time(table: TomlTable) -> tuple[Source | None, float | None]:
    rate_hz = table.number("rate_hz", None, 1e-3, 1e7)
    column, index = table.text("column", None), _index(table)
    unit = table.text("unit", None)
    if (column is None) == (rate_hz is None):
        raise table.lacks("column", "the time of every sample, or 'rate_hz' where there is none, not both")
    if column is not None and unit is None:
        raise table.lacks("unit", "s, ms, us or ns")
    try:
        factor = conversion(unit or "s", "s")
    except UnitError as error:
        raise table.refusal("unit", error) from None
    table.finish()
    return (None if column is None else Source(column, index, factor)), rate_hz


def _index(table: TomlTable) -> int | str | None:
    """A number, or the place of the set."""
    if not table.has("index"):
        return None
    return SET if table.is_text("index") and table.text("index", None, (SET,)) else table.integer("index", 0, 0, 10**6)


def _set_name(records: TomlTable, sets: tuple[str, ...], structure: ModelStructure) -> str | None:
    """The set that is read unless another is asked for."""
    given = records.text("set", None, sets)
    return given or max((name for name in sets if structure.name.endswith(name)), key=len, default=None)


def _keep(table: TomlTable) -> Keep:
    texts = table.texts("when", ())
    try:
        conditions = parse_conditions(texts)
    except IdentificationError as error:
        raise table.refusal("when", error) from None
    return Keep(conditions, table.number("margin_s", 0.0, 0.0, _LIMIT) or 0.0)
