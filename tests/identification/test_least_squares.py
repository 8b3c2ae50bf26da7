"""Least squares on equations of motion recover what made the data, and say what they do not see."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import final

import casadi as ca
import numpy as np
import pytest
import scipy.io

from mpc_controller.arrays import Array
from mpc_controller.identification.filtering import Filtering
from mpc_controller.identification.fit import Standing
from mpc_controller.identification.identify import IdentifyOptions, identify
from mpc_controller.identification.inverse_dynamics.least_squares import LeastSquares, LeastSquaresOptions, least_squares
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.log_files.mapping import read_mapping
from mpc_controller.identification.log_files.read import read_logs
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure, structure_of
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.inverse_dynamics import InverseDynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters
from robots import load_robot, load_structure, log_mapping

EMPS = Path(__file__).parents[2] / "../shared/data/emps/DATA_EMPS.mat"


@final
class Drive(Dynamics, InverseDynamics):
    """M q̈ = F − F_v q̇ − F_c sign q̇ − F_0."""

    name = "drive"
    state_names, state_units = ("position", "velocity"), ("m", "m/s")
    control_names, control_units = ("force",), ("N",)
    manifold = Euclidean(2)

    def __init__(self, mass_std: float | None = None, viscous_lower: float = -math.inf) -> None:
        self.parameters = Parameters(
            (
                Parameter("mass", 50.0, "kg", 1e-3, std=mass_std),
                Parameter("viscous", 100.0, "N s/m", viscous_lower),
                Parameter("coulomb", 10.0, "N"),
                Parameter("offset", 0.0, "N", -50.0, 50.0),
            )
        )

    def equation_error(self, x: ca.SX, xdot: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return p[0] * xdot[1] + p[1] * x[1] + p[2] * ca.sign(x[1]) + p[3] - u

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], (u - p[1] * x[1] - p[2] * ca.sign(x[1]) - p[3]) / p[0])


@final
class DriveInAccelerations(Dynamics):
    """The same drive, without equations of force."""

    name = "drive in accelerations"
    state_names, state_units = Drive.state_names, Drive.state_units
    control_names, control_units = Drive.control_names, Drive.control_units
    manifold = Euclidean(2)

    def __init__(self) -> None:
        self.parameters = Drive().parameters
        self._drive = Drive()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return self._drive.xdot(x, u, p)


TRUTH = np.array([95.0, 203.0, 20.0, -3.0])


def structure(dynamics: Dynamics, measured: tuple[str, ...] = ("position",), fixed: tuple[str, ...] = ()) -> ModelStructure:
    return ModelStructure("drive", "", dynamics, measured, np.full(len(measured), 1e-5), 0.5, fixed)


def drive_log(seed: int = 0, seconds: float = 10.0, noise: float = 1e-6, force_noise: float = 2.0) -> Log:
    """A multisine of motion, with the force that it takes: exact but for noise on both, the force's coloured."""
    random = np.random.default_rng(seed)
    t = np.arange(0, seconds, 1e-3)
    q, v, a = (np.zeros_like(t) for _ in range(3))
    for frequency in (0.2, 0.5, 1.1, 1.7):
        w, amplitude, phase = 2 * np.pi * frequency, 0.05 / frequency, random.uniform(0, 2 * np.pi)
        q += amplitude * np.sin(w * t + phase)
        v += amplitude * w * np.cos(w * t + phase)
        a -= amplitude * w**2 * np.sin(w * t + phase)
    force = TRUTH[0] * a + TRUTH[1] * v + TRUTH[2] * np.sign(v) + TRUTH[3]
    drive = np.zeros_like(t)
    shocks = random.normal(size=len(t)) * np.sqrt(1 - 0.98**2)
    for k in range(1, len(t)):
        drive[k] = 0.98 * drive[k - 1] + shocks[k]
    measured = q + noise * random.normal(size=len(t))
    return whole("multisine", t, measured[:, None], (force + force_noise * drive)[:, None])


_BOTH = ("coulomb and offset", "offset and coulomb")
SAMPLED = LeastSquaresOptions(Filtering(held=False))


@pytest.mark.parametrize("dynamics", [Drive(), DriveInAccelerations()], ids=["of force", "of acceleration"])
def test_parameters_of_a_drive_are_recovered_from_positions_and_forces(dynamics: Dynamics) -> None:
    fit = least_squares(structure(dynamics), [drive_log(force_noise=0.05)], SAMPLED)
    np.testing.assert_allclose(fit.parameters.values, TRUTH, rtol=5e-3)
    assert fit.converged
    assert all(e.standing is Standing.IDENTIFIED for e in fit.estimated)


def test_equations_that_are_affine_take_one_step_from_anywhere() -> None:
    fit = least_squares(structure(Drive()), [drive_log(force_noise=0.0, noise=0.0)], SAMPLED)
    assert fit.iterations <= 3  # the others find nothing left
    far = LeastSquares(structure(DriveInAccelerations()), SAMPLED).fit([drive_log(force_noise=0.0, noise=0.0)])
    assert far.iterations > 3
    np.testing.assert_allclose(far.parameters.values, fit.parameters.values, rtol=1e-2)


def test_intervals_cover_the_truth_although_errors_are_correlated() -> None:
    problem = LeastSquares(structure(Drive()), SAMPLED)
    covered = np.zeros(4)
    seeds = 60  # of 200, 94, 94, 95 and 92 % are covered
    for seed in range(seeds):
        fit = problem.fit([drive_log(seed)])
        covered += [e.interval[0] <= t <= e.interval[1] for e, t in zip(fit.estimated, TRUTH, strict=True)]
    assert (covered >= 0.85 * seeds).all(), covered
    assert covered.mean() >= 0.88 * seeds, covered


def test_a_robust_loss_is_not_moved_by_outliers() -> None:
    log = drive_log(force_noise=0.05)
    spoiled = log.controls.copy()
    spoiled[2000:2400] += 300.0
    bad = whole("bumped", log.times, log.measured, spoiled)
    plain = least_squares(structure(Drive()), [bad], SAMPLED)
    robust = least_squares(structure(Drive()), [bad], LeastSquaresOptions(SAMPLED.filtering, loss="bisquare"))
    np.testing.assert_allclose(robust.parameters.values, TRUTH, rtol=1e-2)
    assert np.abs(plain.parameters.values / TRUTH - 1).max() > 0.1


def test_irregular_time_stamps_are_fine() -> None:
    log = drive_log(force_noise=0.05)
    kept = np.sort(np.random.default_rng(1).choice(len(log.times), size=7000, replace=False))
    thinned = whole("irregular", log.times[kept], log.measured[kept], log.controls[kept])
    fit = least_squares(structure(Drive()), [thinned], SAMPLED)
    np.testing.assert_allclose(fit.parameters.values, TRUTH, rtol=2e-2)


def test_pieces_are_not_differentiated_across_their_gap() -> None:
    log = drive_log(force_noise=0.05)
    measured = log.measured.copy()
    measured[5000:] += 1.0  # the scale was zeroed anew in between
    parted = Log("parted", log.times, measured, log.controls, ((0, 5000), (5000, len(log.times))))
    np.testing.assert_allclose(least_squares(structure(Drive()), [parted], SAMPLED).parameters.values, TRUTH, rtol=1e-2)


def test_commands_that_are_held_act_half_a_sample_later() -> None:
    log = drive_log(force_noise=0.0, noise=0.0)
    states, middles = slice(0, -20, 20), slice(10, None, 20)  # a hold over 20 ms gives the force of its middle
    held = whole("held", log.times[states], log.measured[states], log.controls[middles][: len(log.times[states])])
    viscous = {
        h: least_squares(structure(Drive()), [held], LeastSquaresOptions(Filtering(held=h)))["viscous"].value
        for h in (True, False)
    }
    assert abs(viscous[True] - TRUTH[1]) < 0.1 * abs(viscous[False] - TRUTH[1])


def test_what_the_data_do_not_tell_apart_is_said_in_words() -> None:
    log = drive_log(force_noise=0.05)
    drift = 2.0  # m/s, faster than the rest of the motion
    backwards = np.gradient(log.measured[:, 0], log.times) < 0
    force = log.controls[:, 0] + TRUTH[1] * drift + 2 * TRUTH[2] * backwards
    ahead = whole("one way", log.times, log.measured + drift * log.times[:, None], force[:, None])
    fit = least_squares(structure(Drive()), [ahead], SAMPLED)
    assert {e.name for e in fit.estimated if e.standing is Standing.UNSEEN} == {"coulomb", "offset"}
    assert any(n in fit.notes for n in (f"only the sum of {a} is seen by these data" for a in _BOTH))
    assert fit["coulomb"].value + fit["offset"].value == pytest.approx(TRUTH[2] + TRUTH[3], rel=0.05)
    assert fit["mass"].value == pytest.approx(TRUTH[0], rel=1e-2)


def test_a_prior_decides_where_the_data_say_nothing_and_only_there() -> None:
    log = drive_log(force_noise=0.05)
    still = whole("still", log.times, np.zeros_like(log.measured), np.zeros_like(log.controls))
    fit = least_squares(structure(Drive(mass_std=5.0), fixed=("viscous", "coulomb")), [still], SAMPLED)
    assert fit["mass"].standing is Standing.PRIOR
    assert fit["mass"].value == pytest.approx(50.0)
    moving = least_squares(structure(Drive(mass_std=50.0)), [log], SAMPLED)
    assert moving["mass"].standing is Standing.IDENTIFIED
    assert moving["mass"].value == pytest.approx(TRUTH[0], rel=1e-2)


def test_bounds_hold_and_are_named() -> None:
    fit = least_squares(structure(Drive(viscous_lower=100.0)), [drive_log(force_noise=0.05)], SAMPLED)
    assert fit["viscous"].standing is Standing.IDENTIFIED
    tight = Drive()
    tight.parameters = Parameters(
        tuple(Parameter(p.name, 250.0, p.unit, 230.0) if p.name == "viscous" else p for p in tight.parameters)
    )
    bound = least_squares(structure(tight), [drive_log(force_noise=0.05)], SAMPLED)
    assert bound["viscous"].value == 230.0
    assert bound["viscous"].standing is Standing.AT_BOUND
    assert any("viscous ends at its bound" in note for note in bound.notes)


def test_a_model_whose_equations_cannot_be_closed_is_refused() -> None:
    with pytest.raises(IdentificationError, match="every parameter is fixed"):
        LeastSquares(structure(Drive(), fixed=Drive().parameters.names))
    with pytest.raises(IdentificationError, match="no logs"):
        least_squares(structure(Drive()), [], SAMPLED)
    short = whole("short", np.arange(5.0), np.zeros((5, 1)), np.zeros((5, 1)))
    with pytest.raises(IdentificationError, match="short: no piece has"):
        least_squares(structure(Drive()), [short], SAMPLED)


@pytest.mark.skipif(not EMPS.exists(), reason="needs the recordings of ../shared")
def test_the_published_values_of_the_emps_drive_are_reproduced() -> None:
    """Janot, Gautier, Brunot 2019: 95.11 kg, 203.5 N s/m, 20.39 N, −3.16 N; relative force error 4.08 %."""
    data = scipy.io.loadmat(EMPS)
    force = data["gtau"] * data["vir"]
    log = whole("EMPS", data["t"].ravel(), data["qm"].reshape(-1, 1), force.reshape(-1, 1))
    for filtering in (Filtering(cutoff_hz=200.0, decimation=10, trim_s=0.0, held=False), Filtering(held=False)):
        problem = LeastSquares(structure(Drive()), LeastSquaresOptions(filtering))
        fit = problem.fit([log])
        np.testing.assert_allclose(fit.parameters.values, [95.11, 203.5, 20.39, -3.16], rtol=5e-3)
        assert problem.relative_errors([log], fit.parameters)[0] == pytest.approx(0.0408, rel=1e-2)
        assert fit.seconds < 1.0


PUBLISHED = np.array([95.11, 203.5, 20.39, -3.16])


@pytest.mark.skipif(not EMPS.exists(), reason="needs the recordings of ../shared")
def test_the_machine_emps_reproduces_its_published_values() -> None:
    """As `mpc identify emps --method least-squares --fix viscous_asymmetry --fix stiffness` does, which their model has not."""
    emps = load_structure("emps")
    emps = replace(emps, fixed=(*emps.fixed, "viscous_asymmetry", "stiffness"))
    path = log_mapping("emps")
    assert path is not None
    logs = read_logs(EMPS, emps, read_mapping(path, emps))
    for filtering, offset in ((Filtering(), 0.005), (Filtering(cutoff_hz=100.0, decimation=10, trim_s=0.0), 0.003)):
        problem = LeastSquares(emps, LeastSquaresOptions(filtering))
        fit = problem.fit(logs)
        found = np.array([fit[name].value for name in ("mass", "viscous", "coulomb", "offset")])
        # The offset hangs on what is left out at the ends of the record: 0.4 % are 3 % of its interval.
        assert (np.abs(found / PUBLISHED - 1) < [0.003, 0.003, 0.003, offset]).all()
        assert problem.relative_errors(logs, fit.parameters)[0] == pytest.approx(0.0408, abs=5e-4)
        assert any(re.match(r"relative force error 4\.[01]\d % \(2\.\d+ N root mean square\)", note) for note in fit.notes)


def test_friction_that_may_not_push_ends_at_its_open_range() -> None:
    """A viscous friction of 0 at least, and no upper end, where the data would make it negative."""
    log = drive_log(force_noise=0.05)
    drive = Drive()
    drive.parameters = Parameters(tuple(replace(p, lower=0.0) if p.name == "viscous" else p for p in drive.parameters))
    backwards = np.gradient(log.measured[:, 0], log.times)
    pushed = whole("pushed", log.times, log.measured, log.controls - 2 * TRUTH[1] * backwards[:, None])
    fit = least_squares(structure(drive), [pushed], SAMPLED)
    assert fit["viscous"].standing is Standing.AT_BOUND
    assert abs(fit["viscous"].value) < 1e-9
    assert fit["mass"].standing is Standing.IDENTIFIED


def test_where_least_squares_cannot_be_output_error_goes_on_and_says_so() -> None:
    """Too few samples in every piece to differentiate, enough to predict."""
    log = drive_log(noise=0.0, force_noise=0.0)
    pieces = tuple((k, k + 16) for k in range(0, 4000, 40))
    short = Log("in short pieces", log.times, log.measured, log.controls, pieces)
    drive = replace(structure(Drive()), horizon_s=0.015)
    with pytest.raises(IdentificationError, match="in short pieces: no piece has 20"):
        identify(drive, [short], options=IdentifyOptions("least-squares"))
    result = identify(drive, [short], options=IdentifyOptions(compares_lengths=False))
    assert any("without least squares: in short pieces: no piece has 20 samples" in note for note in result.notes)
    assert result.fit.method == "output error"
    assert not result.earlier


def arm_log(damping: Array, payload: float, random: np.random.Generator) -> Log:
    """The arm on a multisine with the torques that its own model asks for."""
    robot = load_robot("arm")
    dynamics = robot.dynamics.nominal
    p = dynamics.parameters.with_values(
        {**{f"damping.joint{i + 1}": float(d) for i, d in enumerate(damping)}, "payload_mass": payload}
    ).values
    t = np.arange(0, 8.0, 2e-3)
    q, v, a = arm_motion(t, random)
    x, xdot = ca.SX.sym("x", 14), ca.SX.sym("xdot", 14)
    force = ca.Function("f", [x, xdot], [dynamics.equation_error(x, xdot, ca.SX(7, 1), ca.SX(ca.DM(p)))])
    torque = force.map(len(t))(np.hstack([q, v]).T, np.hstack([v, a]).T).full().T
    states = np.hstack([q + 1e-5 * random.normal(size=q.shape), v + 1e-3 * random.normal(size=v.shape)])
    return whole("arm", t, states, torque + 0.05 * random.normal(size=torque.shape))


def arm_motion(t: Array, random: np.random.Generator) -> tuple[Array, Array, Array]:
    """Angles, rates and accelerations (n, 7) of random multisines about the home posture."""
    home = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
    q, v, a = np.tile(home, (len(t), 1)), np.zeros((len(t), 7)), np.zeros((len(t), 7))
    for harmonic in range(1, 6):
        w = 2 * np.pi * 0.15 * harmonic
        amplitude, phase = random.uniform(0.1, 0.35, 7) / harmonic, random.uniform(0, 2 * np.pi, 7)
        q += amplitude * np.sin(w * t[:, None] + phase)
        v += amplitude * w * np.cos(w * t[:, None] + phase)
        a -= amplitude * w**2 * np.sin(w * t[:, None] + phase)
    return q, v, a


def test_friction_and_payload_of_the_arm_are_recovered() -> None:
    random = np.random.default_rng(3)
    damping = random.uniform(0.3, 3.0, 7)
    fit = LeastSquares(structure_of(load_robot("arm")), SAMPLED).fit([arm_log(damping, 1.3, random)])
    assert fit["payload_mass"].value == pytest.approx(1.3, abs=0.01)
    np.testing.assert_allclose(fit.parameters.values[:7], damping, rtol=0.02, atol=0.02)
    assert fit.seconds < 1.0
