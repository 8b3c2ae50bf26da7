"""A log for programs: whole lines, whatever happens, and never the end of a run."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from launch.errors import CommandError
from launch.run_log import RunLog


def test_every_line_tells_when_who_how_bad_what_and_with_which_numbers(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "run.jsonl"
    for _ in range(2):  # appended
        with RunLog(path, pytest.fail) as log:
            log.write("control", "error", "died", exit_code=-9, file=path)
            line = json.loads(path.read_text().splitlines()[-1])  # on the disk at once
    assert len(path.read_text().splitlines()) == 2
    assert abs(datetime.fromisoformat(line.pop("time")) - datetime.now(UTC)) < timedelta(seconds=5)
    assert 0 <= line.pop("after_s") < 5
    assert line == {
        "process": "control",
        "level": "error",
        "text": "died",
        "details": {"exit_code": -9, "file": str(path)},
    }


def test_lines_of_several_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with RunLog(path, pytest.fail) as log:
        threads = [threading.Thread(target=lambda: [log.write("sim", "info", "x" * 300) for _ in range(200)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["x" * 300] * 800


def test_without_a_path_nothing_is_written() -> None:
    with RunLog(None, pytest.fail) as log:
        log.write("sim", "info", "ready")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk here")
def test_a_full_disk_is_complained_of_once_and_ends_nothing() -> None:
    complaints: list[str] = []
    with RunLog(Path("/dev/full"), complaints.append) as log:
        for _ in range(3):
            log.write("sim", "info", "ready")
    assert complaints == ["the log /dev/full loses lines: [Errno 28] No space left on device"]


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"file/run.jsonl can't be written: .*; give `supervision.log` a file"):
        RunLog(tmp_path / "file" / "run.jsonl", pytest.fail)
