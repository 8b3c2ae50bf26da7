"""`mpc bench gate` measures what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launch.command import run_here


@pytest.mark.alone  # medians of parts that are timed one after the other
def test_the_parts_of_the_gate_are_timed_and_the_whole_takes_longer_than_each(tmp_path: Path, capsys):
    done = run_here("bench", "gate", "--quick", "--json", "gate.json", cwd=tmp_path, capsys=capsys)
    assert done.returncode == 0, done.stderr
    assert "target: below 20 µs" in done.stdout
    rows = json.loads((tmp_path / "gate.json").read_text())
    assert [row["part"] for row in rows] == ["motion", "plan and messages", "command", "all of it"]
    assert all(0 < row["median_us"] <= row["p99_us"] <= row["largest_us"] for row in rows)
    assert rows[-1]["median_us"] > max(row["median_us"] for row in rows[:-1])
