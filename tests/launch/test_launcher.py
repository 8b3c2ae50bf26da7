"""Whole runs as a user starts them: they end in good order, however they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.command import ROOT, run, start

LAUNCH_FILE = str(ROOT / "launch" / "cartpole.toml")
KEYS = (
    *("robot", "task", "solver", "duration_s", "tracking_rmse", "tracking_max", "solve_time_us", "loop_time_us", "plan_age_ms"),
    *("plans", "deadline_misses", "failed_solves", "safety_interventions", "mode_changes", "build_s", "recording"),
)
LONG = ("--duration", "60")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A working folder; afterwards no socket is left in it."""
    yield tmp_path
    assert not list(tmp_path.glob("bus.*"))


def _options(folder: Path) -> tuple[str, ...]:
    return ("launch", LAUNCH_FILE, "--headless", "--endpoint", f"ipc://{folder}/bus")


def _parents() -> dict[int, int]:
    """Every process of this machine with its parent."""
    result = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it has just ended
            result[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return result


def _children(pid: int) -> dict[str, int]:
    """A launcher's children by the sub-command that they run."""
    found = {}
    for child, parent in _parents().items():
        if parent == pid:
            arguments = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            found[arguments[arguments.index("--parent") + 2]] = child
    return found


def _started(folder: Path) -> tuple[subprocess.Popen[str], dict[str, int]]:
    """A launcher whose plant follows plans, and its children."""
    launcher = start(*_options(folder), *LONG, cwd=folder)
    assert launcher.stdout is not None
    for line in launcher.stdout:
        if "plan age" in line:
            children = _children(launcher.pid)
            assert set(children) == {"sim", "control", "record"}
            return launcher, children
    raise AssertionError(f"the run did not begin: {launcher.communicate()[1]}")


def _wait_gone(pids: dict[str, int]) -> None:
    deadline = time.monotonic() + 120.0
    while any(os.path.exists(f"/proc/{pid}") for pid in pids.values()):
        assert time.monotonic() < deadline, f"still running: {pids}"
        time.sleep(0.05)


def test_a_run_leaves_a_summary_a_recording_and_a_picture_and_nothing_else(folder: Path) -> None:
    result = run(*_options(folder), "--duration", "1.5", "--json", "out.json", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "tracking" in result.stdout
    summary = json.loads((folder / "out.json").read_text())
    assert set(KEYS) <= set(summary)
    assert summary["duration_s"] == pytest.approx(1.5, abs=0.05)
    assert summary["plans"] > 0
    recording = folder / summary["recording"]
    assert recording.exists()
    assert recording.with_suffix(".png").exists()
    assert {path.name for path in folder.iterdir()} == {"out.json", "runs"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_good_order(folder: Path, number: signal.Signals) -> None:
    launcher, children = _started(folder)
    launcher.send_signal(number)
    stdout, stderr = launcher.communicate(timeout=60)
    assert launcher.returncode == 0, stderr
    assert "recording:" in stdout
    _wait_gone(children)


@pytest.mark.parametrize("victim", ["control", "sim", "record"])
def test_the_death_of_a_child_ends_the_run_and_is_named(folder: Path, victim: str) -> None:
    launcher, children = _started(folder)
    os.kill(children[victim], signal.SIGKILL)
    _, stderr = launcher.communicate(timeout=60)
    assert launcher.returncode == 1
    assert stderr == f"error: {victim} ended during the run (killed by SIGKILL)\n"
    _wait_gone(children)


def test_a_signal_before_the_first_plan_ends_a_run_in_good_order_and_leaves_no_recording(folder: Path) -> None:
    launcher = start(*_options(folder), "--json", "out.json", cwd=folder)
    assert launcher.stdout is not None
    launcher.stdout.readline()  # it is about to start its children
    launcher.send_signal(signal.SIGINT)
    stdout, stderr = launcher.communicate(timeout=60)
    assert launcher.returncode == 0, stderr
    assert stdout.endswith("stopped before the first plan\n")
    summary = json.loads((folder / "out.json").read_text())
    assert set(KEYS) <= set(summary)
    assert (summary["plans"], summary["recording"]) == (0, None)
    assert not list(folder.rglob("*.mcap"))


def test_a_run_without_a_recording_has_the_same_summary_and_table(folder: Path) -> None:
    (folder / "run.toml").write_text('robot = "cartpole"\nduration_s = 1.5\n[record]\nenabled = false\n')
    result = run("launch", "run.toml", "--headless", "--endpoint", f"ipc://{folder}/bus", "--json", "out.json", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "plan age" in result.stdout
    assert "mode changes" in result.stdout
    summary = json.loads((folder / "out.json").read_text())
    assert set(KEYS) <= set(summary)
    assert summary["plans"] > 0
    assert summary["plan_age_ms"]["p50"] > 0
    assert summary["mode_changes"][0]["from"] == "HOLD"
    assert summary["recording"] is None
    assert {path.name for path in folder.iterdir()} == {"run.toml", "out.json"}


def test_nothing_outlives_a_killed_launcher(folder: Path) -> None:
    launcher, children = _started(folder)
    launcher.kill()
    launcher.communicate()
    _wait_gone(children)


def test_a_plant_that_is_already_there_is_left_alone(folder: Path) -> None:
    plant = start("sim", "cartpole", "--endpoint", f"ipc://{folder}/bus")
    assert plant.stdout is not None
    assert plant.stdout.readline().startswith("ready: ")
    result = run(*_options(folder), *LONG, cwd=folder)
    assert result.returncode == 3
    assert result.stderr.startswith(f"error: endpoint ipc://{folder}/bus.out is in use")
    assert not (folder / "runs").exists()
    plant.terminate()
    plant.communicate(timeout=30)
    assert plant.returncode == 0


def test_a_lock_step_run_replays_to_the_last_bit(folder: Path) -> None:
    (folder / "run.toml").write_text(
        'robot = "cartpole"\nduration_s = 1.0\n[sim]\nlock_step = true\n[sim.truth]\nmass_scale = 1.1\n'
    )
    result = run("launch", "run.toml", "--headless", "--endpoint", f"ipc://{folder}/bus", "--json", "out.json", cwd=folder)
    assert result.returncode == 0, result.stderr
    recording = json.loads((folder / "out.json").read_text())["recording"]
    replayed = run("replay", recording, "--json", "-", cwd=folder)
    report = json.loads(replayed.stdout)
    assert replayed.returncode == 0, report
    assert report["identical"] == report["plans"] == 100
    plotted = run("plot", recording, "--output", "other.png", "--json", "-", cwd=folder)
    assert json.loads(plotted.stdout)["recording"] == recording
    assert (folder / "other.png").exists()
