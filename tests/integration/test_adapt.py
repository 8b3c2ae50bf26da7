"""Learning beside a controller, with real processes: on the bus, in a launch, in the recording and in a file."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from launch.chaos.processes import processor_s
from mpc_controller.bus.messages import ParameterUpdate, Plan
from mpc_controller.bus.recording import read_recording
from mpc_controller.model.parameter_file import load_parameters
from robots import load_robot
from tests.launch.command import run, run_here, start

HEAVIER = "[sim.truth]\nmass_scale = 1.2\nactuator_delay_s = 0.004\n"
MASS = 1.2 * 0.027  # kg
GRAVITY = 9.81  # m/s²
_PATIENCE_S = 120.0


def test_a_launch_with_adapt_tells_the_controller_and_replays_to_the_last_bit(tmp_path: Path) -> None:
    """In lock step, so that a busy machine changes nothing but when the updates come: the run ends when enough did, and what
    the mass told last still lacks is what the disturbance estimate holds."""
    text = f'robot = "quadrotor"\ntask = "hover"\nduration_s = 3600.0\n[sim]\nlock_step = true\n{HEAVIER}'
    (tmp_path / "run.toml").write_text(f'{text}[adapt]\nparameters = ["mass"]\nrate_hz = 4\n')
    endpoint = ("--endpoint", f"ipc://{tmp_path}/bus")
    launcher = start("launch", "run.toml", "--headless", *endpoint, "--json", "out.json", cwd=tmp_path)
    try:
        assert launcher.stdout is not None
        told = (re.match(r"adapt: mass 0\.0.*\(told ([\d.]+)\)", line) for line in launcher.stdout)
        assert any(match and float(match[1]) > 0.96 * MASS for match in told)
        flown_s = (re.match(r" *([\d.]+) s \| error", line) for line in launcher.stdout)
        assert any(match and float(match[1]) > 8.0 for match in flown_s)
        launcher.send_signal(signal.SIGINT)
        _, stderr = launcher.communicate(timeout=_PATIENCE_S)
    finally:
        launcher.kill()
    assert launcher.returncode == 0, stderr
    summary = json.loads((tmp_path / "out.json").read_text())
    recording = read_recording(tmp_path / summary["recording"])
    said = [m.values["mass"] for _, m in recording.messages(ParameterUpdate)]
    plans = [m for _, m in recording.messages(Plan)]
    steps = [b - a for a, b in itertools.pairwise([0.027, *said])]
    assert all(-1e-4 < step < 9e-4 for step in steps), said
    assert 0.0279 > said[0] > 0.027
    assert len(said) >= 5
    assert abs(said[-1] - MASS) < 0.05 * MASS
    missing = GRAVITY * (MASS / said[-1] - 1.0)  # m/s² that thrust over the mass told is above gravity in hover
    assert abs(plans[-1].disturbance[2] + missing) < 0.6  # 2.0 m/s² for the mass that it started with
    replayed = run("replay", summary["recording"], "--json", "-", cwd=tmp_path)
    report = json.loads(replayed.stdout)
    assert replayed.returncode == 0, report
    assert report["plans"] == report["identical"] > 700


def test_what_was_learned_is_shown_and_saved_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "truth.toml").write_text(f'robot = "quadrotor"\n{HEAVIER}')
    where = ("quadrotor", "--endpoint", f"ipc://{tmp_path}/bus")
    processes = {
        "adapt": start("adapt", *where, "--parameter", "mass", "--output", "learned.toml", "--json", "out.json", cwd=tmp_path),
        "control": start("control", *where, "--task", "hover", "--wait", str(_PATIENCE_S), cwd=tmp_path),
    }
    try:
        for process in processes.values():
            _wait_ready(process)
        simulated = run(
            "sim", *where, "--task", "hover", "--truth", "truth.toml", "--lock-step", "--duration", "3", cwd=tmp_path
        )
        assert simulated.returncode == 0, simulated.stderr
        _wait_until_it_rests(processes["adapt"].pid)  # it has yet to hear the end
        processes["adapt"].send_signal(signal.SIGINT)
        stdout, stderr = processes["adapt"].communicate(timeout=_PATIENCE_S)
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    assert processes["adapt"].returncode == 0, stderr
    assert "mass  0.027 -> 0.03" in stdout
    (learned,) = json.loads((tmp_path / "out.json").read_text())["parameters"]
    assert abs(learned["value"] - MASS) < learned["half_width"] < 0.1 * MASS
    saved = load_parameters(tmp_path / "learned.toml", load_robot("quadrotor").dynamics.nominal.parameters)
    assert saved["mass"].value == learned["value"]
    assert saved["mass"].std == pytest.approx(learned["half_width"] / 1.96)
    assert saved.provenance["learned"] == ["mass"]
    refused = run_here("adapt", *where, "--output", "learned.toml", cwd=tmp_path, capsys=capsys)
    assert refused.returncode == 2
    assert refused.stderr == "error: learned.toml exists; give another name, or --force to replace it\n"


def test_a_parameter_that_the_robot_has_not_is_refused_with_those_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = f"ipc://{tmp_path}/bus"
    result = run_here("adapt", "cartpole", "--parameter", "mass", "--endpoint", bus, cwd=tmp_path, capsys=capsys)
    assert result.returncode == 2
    assert result.stderr.startswith("error: 'cartpole' has no parameters ['mass']; it has cart_mass, pole_mass")


def _wait_until_it_rests(pid: int) -> None:
    """Until it took less than a twentieth of a processor for a second."""
    before_s = -1.0
    while (now_s := processor_s(pid)) - before_s > 0.05:
        before_s = now_s
        time.sleep(1.0)


def _wait_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready"):
            return
    raise AssertionError(f"it did not start: {process.communicate()[1]}")
