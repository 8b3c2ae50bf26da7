"""One call from a file to logs that are fit for use."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.check import check_log
from mpc_controller.identification.log_files.condition import Keep
from mpc_controller.identification.log_files.decimation import decimated
from mpc_controller.identification.log_files.mapping import LogMapping
from mpc_controller.identification.log_files.record import Record, Selection, log_of
from mpc_controller.identification.log_files.recording import recording_records
from mpc_controller.identification.log_files.table import table_records
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure


def read_logs(
    path: Path, structure: ModelStructure, mapping: LogMapping | None = None, keep: Keep | None = None
) -> tuple[Log, ...]:
    """The logs in a file: an MCAP recording of ours, or CSV, NPZ or MAT through a mapping; `keep` adds to the mapping's.

    The name may end in #SET:NUMBERS, such as swings.mat#vad:0,2 (mapping.py). Every log is checked (`check_log`).
    Raises IdentificationError or RecordingError, with file, signal and time.
    """
    path, selection = _selected(path)
    digest = _digest(path)
    if path.suffix.lower() == ".mcap":
        records = recording_records(path, digest, structure, selection, keep or Keep())
        return _checked([partial(check_log, log_of(record), structure) for record in records])
    if mapping is None:
        raise IdentificationError(f"{path}: a mapping must say which columns are the signals of {structure.name}")
    records = table_records(path, digest, structure, mapping, selection, keep or Keep())
    return _checked([partial(_thinned, record, structure, mapping) for record in records])


def _thinned(record: Record, structure: ModelStructure, mapping: LogMapping) -> Log:
    log = check_log(log_of(record), structure, mapping.absent)
    return decimated(log, structure, mapping.decimate, mapping.anti_alias) if mapping.decimate > 1 else log


def _checked(checks: list[Callable[[], Log]]) -> tuple[Log, ...]:
    """The logs that pass. Where a file has others too, they are left out and noted; where none passes, the first error is."""
    logs: list[Log] = []
    errors: list[IdentificationError] = []
    for check in checks:
        try:
            logs.append(check())
        except IdentificationError as error:
            errors.append(error)
    if not logs:
        raise errors[0]
    return replace(logs[0], notes=(*logs[0].notes, *(f"left out: {error}" for error in errors))), *logs[1:]


def _selected(path: Path) -> tuple[Path, Selection]:
    """The file, and what stands behind a # in its name, unless that is a part of the name."""
    match = re.fullmatch(r"([^#]+)#([^#:]*)(?::([\d,]+))?", path.name)
    if match is None or path.exists():
        return path, Selection()
    which = None if match[3] is None else tuple(int(n) for n in match[3].split(",") if n)
    return path.with_name(match[1]), Selection(match[2] or None, which)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise IdentificationError(f"{path}: no such file") from None
    except OSError as error:
        raise IdentificationError(f"{path}: cannot be read: {error.strerror}") from None
