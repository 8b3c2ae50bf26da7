"""JSON that every reader of JSON reads, and file names that two runs never share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from launch.commands.record import recording_path
from launch.errors import CommandError
from launch.output import check_json_path, write_json


@dataclass(frozen=True)
class _Summary:
    path: Path
    values: tuple[float, ...]
    array: np.ndarray
    count: np.int64


def test_a_summary_is_json_with_null_for_what_is_not_finite(tmp_path: Path) -> None:
    summary = _Summary(Path("a/b"), (1.0, float("nan"), float("inf")), np.array([[1.0, np.nan]]), np.int64(3))
    write_json(str(tmp_path / "out.json"), summary)

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads((tmp_path / "out.json").read_text(), parse_constant=refused)
    assert read == {"path": "a/b", "values": [1.0, None, None], "array": [[1.0, None]], "count": 3}


def test_a_path_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent" / "out.json"):
        with pytest.raises(CommandError, match="cannot be written; give a file in an existing folder"):
            check_json_path(str(path))


def test_runs_of_one_second_in_two_processes_have_recordings_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "20260101-120000")
    names = set()
    for pid in (100, 101):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        names.add(recording_path(Path("runs"), "quadrotor"))
    assert names == {Path("runs/quadrotor-20260101-120000-100.mcap"), Path("runs/quadrotor-20260101-120000-101.mcap")}
