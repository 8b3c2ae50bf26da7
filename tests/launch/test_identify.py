"""`mpc identify` with what a robot says of itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from launch.commands.identify import identify_machine
from mpc_controller.identification.log import Log, whole
from mpc_controller.model.parameter_file import load_parameters
from tests.identification.arm_runs import write_runs
from tests.identification.machines import machine
from tests.launch.test_identify_inertial import request


def _with_a_start_on_the_ground(flight: Log, seconds: float) -> Log:
    """Standing still with idle motors, where the model would have it fall; then the flight, well above."""
    period, flown = flight.period_s, flight.measured.copy()
    flown[:, 2] += 2 - flown[:, 2].min()
    count = round(seconds / period)
    standing = np.zeros((count, flight.measured.shape[1]))
    standing[:, 3] = 1.0
    standing[:, :3] = 1e-3 * np.random.default_rng(0).standard_normal((count, 3))
    times = period * np.arange(count + flight.samples)
    controls = np.vstack([np.full((count, flight.controls.shape[1]), 1e-3), flight.controls])
    return whole("log", times, np.vstack([standing, flown]), controls)


def test_a_quadrotor_is_identified_from_samples_in_the_air_unless_keep_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quadrotor = machine("quadrotor")
    write_runs(quadrotor.structure, [_with_a_start_on_the_ground(quadrotor.log(6.0), 2.0)], tmp_path)
    monkeypatch.chdir(tmp_path)
    asked = request("quadrotor", "least-squares", mapping=Path("log.toml"))
    identify_machine(asked)
    said = capsys.readouterr().out
    assert "using samples with position_z > 0.15 only, which the model needs; --keep replaces this\n" in said
    assert "200 of 800 samples left out where not position_z > 0.15" in said
    assert load_parameters(Path("found.toml"))["mass"].value == pytest.approx(quadrotor.truth[0], rel=0.02)

    identify_machine(replace(asked, keep=("position_z > 1",), force=True))
    said = capsys.readouterr().out
    assert "--keep" not in said
    assert "left out where not position_z > 1" in said
