"""`mpc bench identification`: a truth that is known, contenders that are given the same, and every row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from launch.bench.identification.case import Case, drive_case
from launch.bench.identification.comparison import contenders
from launch.bench.identification.contender import Contender, OwnContender
from launch.bench.identification.drive import DriveKind, drive_log, drive_step
from launch.bench.identification.kernel_rate import operations
from launch.bench.pages.identification_tables import coverage_table, error_table, rate_table, speed_table, spread_table
from launch.bench.peers import mujoco_sysid
from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.output_error import OutputError
from tests.identification.pendulum import structure
from tests.launch.command import run, run_here

HAS_SYSID = not mujoco_sysid.missing_packages(mujoco_sysid._NEEDS)
needs_sysid = pytest.mark.skipif(not HAS_SYSID, reason="mujoco.sysid lacks packages")
TRUTH = {"mass": 2.0, "viscous": 3.0, "coulomb": 1.0}


def _contenders(case: Case) -> list[Contender]:
    return contenders(case, lambda line: None, lambda line: None)


@pytest.mark.parametrize(("velocity", "force"), [(1.0, 4.0), (0.3, -5.0), (-0.2, 2.5), (0.0, 1.5)])
def test_drive_moves_as_solve_ivp_says_through_a_reversal(velocity: float, force: float) -> None:
    def rate(_: float, x: Array) -> list[float]:
        direction = np.sign(x[1]) or np.sign(force)
        return [x[1], (force - 3.0 * x[1] - direction) / 2.0]

    q, v = drive_step(0.1, velocity, force, TRUTH, 0.2)
    found = solve_ivp(rate, (0, 0.2), [0.1, velocity], max_step=1e-4, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([q, v], found.y[:, -1], rtol=0, atol=2e-4)


def test_drive_stops_and_stays_where_friction_holds_it() -> None:
    """From v₀ with F = 0: v = v₀ e^{−t/τ} − (F_c/F_v)(1 − e^{−t/τ}) until it is 0, after M v₀/F_v − (F_c/F_v) t_stop metres."""
    stop = 2.0 / 3.0 * np.log(1 + 3.0 * 0.5)
    q, v = drive_step(0.0, 0.5, 0.0, TRUTH, 10.0)
    assert v == 0.0
    assert q == pytest.approx(2.0 * 0.5 / 3.0 - stop / 3.0)
    assert drive_step(q, v, 0.99, TRUTH, 1.0) == (q, 0.0)


def test_every_contender_finds_a_drive_whose_model_is_the_truth() -> None:
    case = drive_case(DriveKind.FREE, 0, 6.0)
    assert case.truth is not None
    for contender in _contenders(case):
        outcome = contender.fit(case.logs, 2.0)
        np.testing.assert_allclose(outcome.values, case.truth, rtol=0.02)
        assert outcome.fit_s <= outcome.seconds


def test_every_contender_simulates_the_truth_with_the_truth() -> None:
    """Without dry friction and load: what is left is the velocity at the start, known to 0.2 mm/s, times M/F_v = 0.5 s."""
    case = drive_case(DriveKind.FREE, 0, 4.0)
    assert case.truth is not None
    for contender in _contenders(case):
        path = contender.open_loop(case.truth, case.logs[0])
        assert np.nanmax(np.abs(path - case.logs[0].measured[:, 0])) < 5e-4


@needs_sysid
def test_contenders_get_the_same_windows_and_the_same_first_guess() -> None:
    case = drive_case(DriveKind.DRY, 0, 6.0)
    peer, own = mujoco_sysid.MujocoSysid(case), OwnContender(case, lambda line: None)
    np.testing.assert_array_equal(peer._parameters().as_vector(), own._fit.nominal)
    np.testing.assert_array_equal(peer._parameters().get_bounds(), [own._fit.lower, own._fit.upper])
    windows = peer._sequences(case.logs, 2.0).measured_rollout
    np.testing.assert_array_equal(windows[1].sensordata.data, case.logs[0].measured[2025:4025])
    assert len(windows) == 3


@needs_sysid
def test_the_peers_pendulum_swings_as_ours() -> None:
    """Every value of the MJCF that a fit sets, against the equation of robots/pendulum."""
    from launch.bench.identification import case as module
    from robots import load_structure

    s = replace(load_structure("pendulum"), lagged=())
    times = np.arange(600) * 1e-3
    still = whole("still", times, np.tile([1.5, 0.0], (600, 1)), np.zeros((600, 0)))
    case = Case(
        "pendulum", s, (still,), (still,), (), (1.0,), module._FOLDER / "pendulum.xml", module._PENDULUM_PARTS, ("mrad", 1e3)
    )
    ours, theirs = (c.open_loop(np.array([60.0, 0.5, 0.05, 0.1]), still) for c in _contenders(case))
    assert np.ptp(ours) > 2
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.01)


def test_peer_is_left_out_with_one_sentence_where_it_lacks_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(mujoco_sysid, "_NEEDS", {"no_such_module": "no-such-package", "json": "json"})
    found = contenders(drive_case(DriveKind.FREE, 0, 3.0), lambda line: None, said.append)
    assert [contender.name for contender in found] == ["mpc identify"]
    assert said == ["not measured: mujoco.sysid needs packages that MuJoCo does not bring; pip install no-such-package"]


def test_seeds_give_other_noise_and_other_motion() -> None:
    logs: Sequence[Log] = [drive_log(DriveKind.DRIFTING, seed, 2.0)[1] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(logs[0].measured, logs[1].measured)
    assert np.abs(logs[0].controls - logs[2].controls).max() > 1.0


def test_operations_of_a_step_are_at_least_those_of_its_sensitivities() -> None:
    """Pendulum: S is 2 by 5, A has at least 3 nonzeros of 4, and H of a sample with two residuals 15 entries each."""
    per_step, per_sample = operations(OutputError(structure()))
    assert 3 * 2 * 5 < per_step < 1000
    assert 2 * 15 * 2 < per_sample < 500


def test_quick_run_prints_every_table_and_writes_every_row(tmp_path: Path) -> None:
    result = run("bench", "identification", "--quick", "--json", str(tmp_path / "rows.json"))
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    names = {"mpc identify", "mujoco.sysid"} if HAS_SYSID else {"mpc identify"}
    assert HAS_SYSID or result.stdout.count("pip install") == 1
    for kind in ("fit", "spread", "coverage"):
        chosen = [row for row in rows if row["kind"] == kind]
        assert {(row["case"], row["contender"]) for row in chosen} == {
            (f"simulated drive, {drive.value}", name) for drive in DriveKind for name in names
        }
    targets = {row["name"]: row["target_s"] for row in rows if row["kind"] == "speed" and row["target_s"]}
    assert targets == {
        "arm, least squares": 0.3,
        "arm, physically consistent refinement": 3.0,
        "quadrotor, output error": 5.0,
        "crazyflie, output error": 5.0,
    }
    assert {row["name"] for row in rows if row["kind"] == "rate" and 0 < row["share"] < 1} == {"quadrotor", "crazyflie"}
    for words in (
        "simulated drive, dry friction",
        "All contenders have the same data",
        "Spread over",
        "Coverage of",
        "Times on one core",
        "windows/s",
    ):
        assert words in result.stdout
    for table in (spread_table, coverage_table, error_table, speed_table, rate_table):
        lines = table(rows).splitlines()
        assert len({line.count("|") for line in lines}) == 1
        assert len(lines) > 3


def test_a_folder_without_the_recordings_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_here("bench", "identification", "--data", str(tmp_path), cwd=tmp_path, capsys=capsys)
    assert result.returncode == 2
    assert "DATA_EMPS.mat" in result.stderr
