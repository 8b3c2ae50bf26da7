"""Faults against real processes, a few times each; `mpc chaos` makes them as often as the table in docs/safety.md says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launch.chaos.faults import FAULTS
from launch.errors import ExitCode
from tests.launch.command import run, run_here

pytestmark = pytest.mark.alone

# What these must keep is a matter of how fast the machine is, which no test decides.
_TIMED = ("jitter", "slow-subscriber", "full-disk")


def _marked(name: str) -> object:
    return pytest.param(name, marks=[pytest.mark.slow] if name in _TIMED else [])


@pytest.mark.parametrize("fault", [_marked(name) for name in FAULTS])
def test_what_must_hold_holds(fault: str, tmp_path: Path) -> None:
    """Twice where the first time something did not: a machine that stops for a moment breaks what is to be in time."""
    for attempt in range(2):
        done = run("chaos", fault, "--quick", "--json", "-", cwd=tmp_path)
        (outcome,) = json.loads(done.stdout)
        broken = [r for r in outcome["requirements"] if not (r["holds"] or r["is_speed"])]
        if not broken or attempt:
            break
    assert not broken, done.stderr
    assert done.returncode == (ExitCode.OK if outcome["holds"] else ExitCode.RUN_FAILED)
    assert outcome["times"] > 0


def test_a_fault_that_there_is_not_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here("chaos", "earthquake", cwd=tmp_path, capsys=capsys)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no fault 'earthquake'; there are killed-controller, ")
