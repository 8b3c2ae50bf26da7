"""The mappings that come with the machines, on the recordings that they are for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import robots.crazyflie
import robots.double_pendulum
import robots.emps
import robots.go2_leg
import robots.pendulum
from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files import check_log, read_logs, read_mapping
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from robots.go2_leg import PARTS

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not beside the project")
FLIGHTS = ("B2_circle_fast_rep1", "B5_helix_fast_rep1", "B7_oval_fast_rep1", "B8_star_fast_rep1")


def logs_of(machine: str, structure: ModelStructure, file: str) -> tuple[Log, ...]:
    return read_logs(DATA / file, structure, read_mapping(ROOT / "robots" / machine / "log.toml", structure))


@pytest.mark.parametrize("machine", ["crazyflie", "emps", "pendulum", "double_pendulum"])
def test_every_machines_mapping_fits_its_model(machine: str) -> None:
    structure = getattr(robots, machine).structure()
    mapping = read_mapping(ROOT / "robots" / machine / "log.toml", structure)
    assert {*mapping.measured, *(f"{stem}_{part}" for stem in mapping.quaternions for part in "wxyz")} == set(
        structure.measured
    )
    assert tuple(mapping.controls) == structure.dynamics.control_names


@needs_data
def test_emps_is_one_piece_of_position_and_force() -> None:
    (log,) = logs_of("emps", robots.emps.structure(), "emps/DATA_EMPS.mat")
    assert log.pieces == ((0, 24841),)
    assert log.duration_s == pytest.approx(24.84, abs=1e-3)
    assert np.abs(log.controls).max() == pytest.approx(35.150652 * np.abs(log.controls / 35.150652).max())
    assert 100 < np.abs(log.controls).max() <= 351.51  # 10 V
    assert np.ptp(log.measured) == pytest.approx(0.2426, abs=0.02)
    assert log.notes == ()


@needs_data
@pytest.mark.parametrize(("behind", "count"), [("", 4), ("#vad", 2), ("#id:3", 1)])
def test_swings_of_the_pendulum_hang_at_half_a_turn(behind: str, count: int) -> None:
    logs = logs_of(
        "pendulum", robots.pendulum.structure(), f"free_swing_pendulums/SinglePendulumDataForParameterEstimation.mat{behind}"
    )
    assert len(logs) == count
    for log in logs:
        assert log.times[0] == 0.0
        assert log.duration_s == pytest.approx(9.166, abs=2e-3)
        assert log.measured[:, 0].mean() == pytest.approx(np.pi, abs=0.1)
        assert log.controls.shape == (len(log.times), 0)


@needs_data
def test_runs_of_the_double_pendulum_keep_their_irregular_times() -> None:
    (log,) = logs_of("double_pendulum", robots.double_pendulum.structure(), "double_pendulum/20230629-143339.csv.gz")
    assert log.pieces == ((0, 4998),)
    assert np.ptp(np.diff(log.times)) > 1e-3
    assert np.abs(log.controls).max(axis=0) == pytest.approx([0.403, 0.806], abs=1e-3)


@needs_data
@pytest.mark.parametrize("joint", [0, 5, 11])
def test_a_joint_of_the_go2_is_found_by_its_models_name(joint: int) -> None:
    (log,) = logs_of("go2_leg", robots.go2_leg.structure(PARTS[joint]), "go2_in_air/traj_0_converted.npz")
    raw = np.load(DATA / "go2_in_air/traj_0_converted.npz")
    np.testing.assert_array_equal(log.measured[:, 0], raw["dof_pos"][:, joint])
    np.testing.assert_array_equal(log.controls[:, 0], raw["des_dof_pos"][:, joint])


@needs_data
@pytest.mark.parametrize("flight", FLIGHTS)
def test_flights_are_cut_to_the_time_in_the_air(flight: str) -> None:
    (log,) = logs_of("crazyflie", robots.crazyflie.structure(), f"nanobench/{flight}.csv.gz")
    used = np.concatenate([np.arange(a, b) for a, b in log.pieces])
    assert 17 < log.duration_s < 35
    assert log.measured[used, 2].min() > 0.3
    assert log.controls[used, :4].min() > 0.1
    assert log.controls[used, :4].max() <= 1.0
    assert ((log.controls[used, 4] > 2.8) & (log.controls[used, 4] < 4.2)).all()
    np.testing.assert_allclose(np.linalg.norm(log.measured[:, 3:7], axis=1), 1.0, rtol=1e-12)
    assert np.abs(np.diff(log.measured[:, 3:7], axis=0)).max() < 0.2


@needs_data
def test_a_flight_that_never_leaves_the_ground_is_refused() -> None:
    with pytest.raises(
        IdentificationError, match=r"B6_linear_ramp_rep1.csv.gz: 0 s of 32.2 s can be used; a log needs two horizons"
    ):
        logs_of("crazyflie", robots.crazyflie.structure(), "nanobench/B6_linear_ramp_rep1.csv.gz")


@needs_data
@pytest.mark.parametrize(
    ("columns", "factor", "message"),
    [
        ([4, 5, 6], -1, "moves against its measured rate"),
        ([10, 11, 12], 180 / np.pi, "is its rate in degrees"),
        ([0, 1, 2], 1000, "is it in thousandths"),
        ([8], -1, "'position_y' moves against its measured rate"),
    ],
)
def test_a_mistake_in_the_mapping_of_a_real_flight_is_seen(columns: list[int], factor: float, message: str) -> None:
    (log,) = logs_of("crazyflie", robots.crazyflie.structure(), "nanobench/B8_star_fast_rep1.csv.gz")
    measured = log.measured.copy()
    measured[:, columns] *= factor
    with pytest.raises(IdentificationError, match=message):
        check_log(replace(log, measured=measured), robots.crazyflie.structure())
