"""Inertias of the arm from runs of the simulated one, whose truth its MJCF does not say: the library's part of the command."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import mujoco
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.identification.export.inertial_changes import inertial_changes, is_inertial, table_changes
from mpc_controller.identification.export.mjcf import export_mjcf
from mpc_controller.identification.fit import Standing
from mpc_controller.identification.inverse_dynamics.inertial_identification import (
    KINDS,
    InertialIdentification,
    identify_inertias,
)
from mpc_controller.identification.inverse_dynamics.inertial_parameters import SIZE, is_physical
from mpc_controller.identification.inverse_dynamics.inertial_regressor import InertialRegressor
from mpc_controller.identification.model_structure import IdentificationError, structure_of
from mpc_controller.identification.report.inertial_estimates import body_estimates, joint_estimates
from mpc_controller.identification.report.inertial_terminal import format_inertias
from mpc_controller.identification.report.terminal import WIDTH
from mpc_controller.model.parameter_file import load_parameters, save_parameters
from mpc_controller.model.rigid_body.carried_bodies import carried_bodies
from robots import load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.identification.arm_runs import PERIOD, arm_run
from tests.identification.arms import MJCF, motion

MASS, DAMPING = 1.15, 2.0
TRUTH = SimTruth(mass_scale=MASS, joint_damping_scale=DAMPING)


@cache
def found(seed: int = 0) -> InertialIdentification:
    return identify_inertias(structure_of(load_robot("arm")), [arm_run(seed, truth=TRUTH)], [arm_run(50, 3000, TRUTH)], MJCF)


def hidden(regressor: InertialRegressor) -> Array:
    """θ of the plant: all inertias scaled, damping scaled, the rotors as they are."""
    theta = regressor.nominal.copy()
    theta[: SIZE * len(regressor.model.joints)] *= MASS
    viscous = [k for k, name in enumerate(regressor.names) if name.endswith("viscous")]
    theta[viscous] *= DAMPING
    return theta


def test_torques_of_a_run_that_was_not_fitted_are_explained_to_half_a_percent() -> None:
    errors = found().errors
    assert tuple(errors) == ("fitted", "validation")
    assert (errors["validation"]["nominal"] > 0.1).all()
    for kind in ("least squares", "consistent"):
        assert (errors["validation"][kind] < 0.005).all()
        assert (errors["fitted"][kind] < 0.005).all()


def test_what_the_data_determine_and_what_they_do_not_lies_in_its_interval() -> None:
    base, single = [], []
    for seed in range(4):
        result = found(seed)
        theta = hidden(result.consistent.regressor)
        plain = result.least_squares
        base.append(np.abs(plain.base_values - plain.base.matrix @ theta) <= plain.base_half_width)
        single.append(np.abs(result.consistent.values - theta) <= result.consistent.half_width)
    assert np.mean(base) > 0.9
    assert np.mean(single) > 0.9


def test_masses_centres_and_frictions_are_told_with_what_is_seen_of_them() -> None:
    result = found()
    bodies = body_estimates(result)
    assert {e.name: e.standing for e in bodies["joint1"]}["mass"] is Standing.PRIOR
    mass, *centre = bodies["joint4"][:4]
    assert mass.standing is Standing.IDENTIFIED
    assert mass.value == pytest.approx(MASS * 3.587895, rel=0.05)
    np.testing.assert_allclose([e.value for e in centre], [-0.05317, 0.104419, 0.027454], atol=3e-3)
    for estimates in bodies.values():
        for e in estimates:
            truth = e.nominal * (MASS if e.name.startswith(("mass", "inertia")) else 1.0)
            assert abs(e.value - truth) < 1.5 * e.half_width, e
    joints = {e.name: e for e in joint_estimates(result)}
    assert joints["joint3.viscous"].value == pytest.approx(DAMPING, rel=0.01)
    assert joints["joint7.armature"].value == pytest.approx(0.1, rel=0.01)
    assert joints["joint5.coulomb"].half_width < 0.01


def test_intervals_of_centres_are_those_of_many_draws() -> None:
    """The linearised covariance of mass, centre and inertia about it, against what its parameters' own makes of them."""
    result = found()
    fit, place = result.consistent, slice(5 * SIZE, 6 * SIZE)
    draws = np.random.default_rng(0).multivariate_normal(fit.values[place], fit.covariance[place, place] / 100, 4000)
    spread = 10 * np.std(draws[:, 1:4] / draws[:, :1], axis=0)
    half_widths = [e.half_width for e in body_estimates(result)["joint6"][1:4]]
    np.testing.assert_allclose(half_widths, 1.96 * spread, rtol=0.1)


def test_the_exported_arm_moves_as_the_hidden_one(tmp_path: Path) -> None:
    """Through the table on disk: the same torques on both, 1 s of a motion that was not fitted."""
    save_parameters(found().parameters, tmp_path / "inertial.toml")
    table = load_parameters(tmp_path / "inertial.toml")
    assert is_inertial(table)
    assert not is_inertial(load_robot("arm").dynamics.nominal.parameters)
    export_mjcf(MJCF, tmp_path / "identified.xml", table_changes(table, MJCF))
    robot = load_robot("arm")
    q, v, _ = motion(2, np.random.default_rng(7), speed=2.0)
    run, ends = arm_run(7, 500, TRUTH), []
    for mjcf, truth in ((MJCF, TRUTH), (tmp_path / "identified.xml", SimTruth()), (MJCF, SimTruth())):
        plant = MujocoPlant(replace(robot, mjcf=mjcf), np.concatenate([q[0], v[0]]), truth, 0, PERIOD)
        for u in run.controls:
            plant.apply(u)
        ends.append(plant.read()[1][:7])
    hidden_end, exported, nominal = ends
    assert np.abs(nominal - hidden_end).max() > 0.1
    assert np.abs(exported - hidden_end).max() < 0.02 * np.abs(nominal - hidden_end).max()


def test_a_body_that_carries_a_hand_is_one_without_it(tmp_path: Path) -> None:
    """However wide the prior: what the hand and the fingers have is known, and the link has the rest."""
    fit = found().consistent
    own = carried_bodies(MJCF)["joint7"].own(fit.values[6 * SIZE : 7 * SIZE])
    assert is_physical(own)
    export_mjcf(MJCF, tmp_path / "identified.xml", inertial_changes(fit, MJCF))
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "identified.xml"))
    assert model.body("hand").mass[0] == 0.73
    assert model.body("link7").mass[0] + 0.73 + 2 * 0.015 == pytest.approx(fit["joint7.mass"])


def test_the_table_tells_bodies_joints_sums_and_errors_and_fits_a_terminal() -> None:
    text = format_inertias(found())
    assert max(map(len, text.splitlines())) <= WIDTH
    for words in ("body behind", "centre z", "joint7.armature", "joint5.inertia_zz + joint6.inertia_yy",
                  "relative torque error, %", "validation", "No motion shows joint1.mass"):  # fmt: skip
        assert words in text


def test_provenance_says_what_the_values_come_from() -> None:
    provenance = found().parameters.provenance
    assert provenance["prior"] == {"inertia_std": 0.3, "joint_std": 1.0}
    assert set(provenance["relative_torque_error"]["validation"]) == set(KINDS)
    assert provenance["logs"] == ["arm-0 sha256:"]
    assert len(provenance["base_parameters"]) == len(found().least_squares.base.names)


def test_a_model_that_is_no_tree_of_bodies_is_refused() -> None:
    with pytest.raises(IdentificationError, match="quadrotor: its model is no tree of rigid bodies"):
        identify_inertias(structure_of(load_robot("quadrotor")), [])
    with pytest.raises(IdentificationError, match="arm: no log to fit to"):
        identify_inertias(structure_of(load_robot("arm")), [])
