"""What a child prints: errors apart from the rest."""

from __future__ import annotations

import pytest

from launch.child import Child
from tests.launch.command import ROOT


def test_an_error_of_a_child_goes_where_errors_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    said: list[str] = []
    complaints: list[str] = []
    child = Child("sim", ["robots", "--json", "absent/out.json"], said.append, complaints.append)
    assert child.wait(60.0) == 2
    assert said == []
    assert complaints == ["sim: error: --json absent/out.json: cannot be written; give a file in an existing folder, or -"]
