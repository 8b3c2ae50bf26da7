"""What a child prints: errors apart from the rest."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from launch.child import Child, describe_exit
from tests.launch.command import ROOT


def test_an_error_of_a_child_goes_where_errors_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    said: list[str] = []
    complaints: list[str] = []
    child = Child("sim", ["robots", "--json", "absent/out.json"], said.append, complaints.append)
    assert child.wait(60.0) == 2
    assert said == []
    assert complaints == ["sim: error: --json absent/out.json: cannot be written; give a file in an existing folder, or -"]


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGKILL, "killed by SIGKILL"), (40, "killed by signal 40"), (64, "killed by SIGRTMAX")]
)
def test_whatever_signal_ends_a_process_can_be_told(number: int, expected: str) -> None:
    code = f"import os; os.kill(os.getpid(), {int(number)})"
    ended = subprocess.run([sys.executable, "-S", "-c", code], check=False)
    assert describe_exit(ended.returncode) == expected


def test_an_exit_code_is_told_as_it_is() -> None:
    assert describe_exit(3) == "exit code 3"
