"""Recordings of real machines that nobody here made: what a fit of them must reach. Skipped where they are not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.identification.fit import Standing
from mpc_controller.identification.identify import IdentifyOptions, identify, output_error
from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.mapping import read_mapping
from mpc_controller.identification.log_files.read import read_logs
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.identification.prediction import Predictions
from robots import load_structure, log_mapping, machine_parts

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not here")


def _logs(machine: str, names: Sequence[str], part: str = "") -> list[Log]:
    structure = load_structure(machine, part)
    path = log_mapping(machine)
    assert path is not None
    mapping = read_mapping(path, structure)
    return [log for name in names for log in read_logs(DATA / name, structure, mapping)]


def test_drive_has_the_same_mass_and_friction_whatever_the_length_of_the_windows() -> None:
    """EMPS: mass within 3 % and viscous friction within 5 % of one value, over windows of 0.5 to 24 s."""
    fit = OutputError(load_structure("emps"))
    logs = _logs("emps", ["emps/DATA_EMPS.mat"])
    start = fit.fit(logs, OutputErrorOptions(window_s=0.5, reweighted=False, iterations=30)).theta
    found = np.array([fit.fit(logs, OutputErrorOptions(window_s=w), start).theta[:2] for w in (0.5, 2.0, 6.0, 12.0, 24.0)])
    middle = (found.max(axis=0) + found.min(axis=0)) / 2
    assert (np.abs(found / middle - 1).max(axis=0) < [0.03, 0.05]).all()


def test_drive_is_simulated_to_millimetres_through_what_the_fit_has_not_seen() -> None:
    """EMPS has no second record here: the model of the first half simulates the second, open loop over 12 s."""
    from mpc_controller.identification.log import split

    first, second = split(_logs("emps", ["emps/DATA_EMPS.mat"])[0], 0.5)
    result = identify(load_structure("emps"), [first], [second], IdentifyOptions(compares_lengths=False))
    assert result.predictions[1].open_loop_rms[0] < 8e-3


def test_free_swing_is_predicted_open_loop_for_nine_seconds() -> None:
    """Single pendulum, validation swings: 12 and 30 mrad."""
    structure = load_structure("pendulum")
    name = "free_swing_pendulums/SinglePendulumDataForParameterEstimation.mat"
    result = identify(structure, _logs("pendulum", [name]), _logs("pendulum", [f"{name}#vad"]))
    errors = [p.open_loop_rms[0] for p in result.predictions if p.role == "validation"]
    assert errors[0] <= 0.012
    assert errors[1] <= 0.030
    assert all(e.standing is Standing.IDENTIFIED for e in result.fit.estimated)


@pytest.mark.parametrize("guess", [0.4, 2.5])
def test_free_swing_is_fitted_as_one_window_from_a_bad_guess(guess: float) -> None:
    """All 9.2 s at once, frictions 0.4 or 2.5 times and stiffness 0.5 or 2 times what it is."""
    structure = load_structure("pendulum")
    fit = OutputError(structure)
    log = _logs("pendulum", ["free_swing_pendulums/SinglePendulumDataForParameterEstimation.mat#id:0"])[0]
    good = fit.fit([log], OutputErrorOptions(window_s=0.5)).theta
    start = good * guess
    start[0] = good[0] * (2.0 if guess > 1 else 0.5)
    found = fit.fit([log], OutputErrorOptions(window_s=10.0, interval_s=0.25), start)
    assert found.theta[0] == pytest.approx(good[0], rel=0.01)
    rms = Predictions(fit, found.theta).of(log, "fitted", found.std).open_loop_rms[0]
    assert rms < 0.02  # from a measured start; a local minimum is a swing off, 1 rad


def test_double_pendulum_is_predicted_better_by_output_error_than_by_least_squares() -> None:
    structure = load_structure("double_pendulum")
    names = [f"double_pendulum/20230629-{n}.csv.gz" for n in ("143339", "143747", "144003", "143524")]
    fitted, held_out = _logs("double_pendulum", names[:3]), _logs("double_pendulum", names[3:])
    result = identify(structure, fitted, held_out, IdentifyOptions(compares_lengths=False))
    fit = OutputError(structure)
    (least_squares,) = result.earlier
    by_least_squares = Predictions(fit, fit.theta_of(least_squares.parameters)).horizon_error(held_out[0])
    assert (result.predictions[-1].error.sum(axis=0) < by_least_squares.sum(axis=0)).all()
    assert any("coulomb" in note and "matters most" in note for note in result.notes)


def test_quadrotor_flies_a_shape_that_its_fit_has_not_seen_as_predicted() -> None:
    """Crazyflie, helix held out, one model: errors cumulated over 50 steps of at most 0.95 m, 6.9 m/s, 3.6 rad and 18 rad/s."""
    structure = load_structure("crazyflie")
    names = ("B2_circle_fast_rep1", "B7_oval_fast_rep1", "B8_star_fast_rep1", "B5_helix_fast_rep1")
    logs = _logs("crazyflie", [f"nanobench/{name}.csv.gz" for name in names])
    fit = OutputError(structure)
    found, _, _ = output_error(fit, logs[:3], IdentifyOptions(compares_lengths=False))
    theta = fit.theta_of(found.parameters, found.control_delay_s)
    cumulated = Predictions(fit, theta).horizon_error(logs[3]).sum(axis=0)
    error = dict(zip([s.name for s in structure.signals], cumulated, strict=True))
    assert error["position"] <= 0.95
    assert error["velocity"] <= 6.9
    assert error["attitude"] <= 3.6
    assert error["angular_velocity"] <= 18.0


def test_leg_drives_have_bandwidths_and_delays_with_intervals() -> None:
    """Go2, from positions and targets alone: every joint's frequency is that of its controller within its interval or near."""
    for joint in machine_parts("go2_leg")[:3]:
        log = _logs("go2_leg", [f"go2_in_air/traj_0_converted.npz#{joint}"], joint)[0]
        found, _, _ = output_error(OutputError(load_structure("go2_leg", joint)), [log], IdentifyOptions())
        assert 0 <= found.control_delay_s < 0.04
        assert np.isfinite(found["control_delay"].half_width)
        assert 15 < found["frequency"].value < 80
