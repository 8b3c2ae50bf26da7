"""Inertias that a body can have, whatever the noise; CAD values where the data say nothing."""

from __future__ import annotations

from pathlib import Path

import casadi as ca
import numpy as np
import pytest

from mpc_controller.identification.inverse_dynamics import inertial_parameters
from mpc_controller.identification.inverse_dynamics.inertial_data import InertialData
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import inertial_least_squares
from mpc_controller.identification.inverse_dynamics.inertial_parameters import SIZE
from mpc_controller.identification.inverse_dynamics.physical_consistency import PhysicalPrior, physically_consistent
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.parameter_file import load_parameters, save_parameters
from tests.identification.arms import HOME, PROBLEM, REGRESSOR, hidden_truth, measured, motion

BODIES = SIZE * 7


def least_eigenvalue(theta: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(inertial_parameters.pseudo_inertia(theta[:BODIES].reshape(-1, SIZE))).min())


@pytest.mark.parametrize("noise", [0.1, 1.0, 5.0])
def test_every_body_is_physical_where_least_squares_are_not_and_predicts_as_well(noise: float) -> None:
    theta = hidden_truth(np.random.default_rng(0))
    fit = PROBLEM.fit([measured(theta, 2000, noise, 1)])
    better = physically_consistent(fit)
    assert fit.unphysical
    assert least_eigenvalue(fit.values) < 0 < least_eigenvalue(better.values)
    assert (better.values[REGRESSOR.nonnegative] > 0).all()
    assert (better.torque_std < 1.02 * fit.torque_std).all()
    truth = PROBLEM.base.matrix @ theta
    assert np.linalg.norm(better.base_values - truth) < np.linalg.norm(fit.base_values - truth)


def test_on_motions_not_used_it_predicts_better_than_least_squares_of_noisy_data() -> None:
    theta = hidden_truth(np.random.default_rng(2))
    fit = PROBLEM.fit([measured(theta, 1000, 2.0, 3)])
    better = physically_consistent(fit)
    q, v, a = motion(1000, np.random.default_rng(4), speed=1.5)
    wanted = REGRESSOR.torques(q, v, a, theta)
    errors = [np.sqrt(np.mean((REGRESSOR.torques(q, v, a, f.values) - wanted) ** 2)) for f in (fit, better)]
    assert errors[1] < 0.8 * errors[0]


def test_what_no_motion_shows_stays_as_in_the_cad_model() -> None:
    theta = hidden_truth(np.random.default_rng(5))
    better = physically_consistent(PROBLEM.fit([measured(theta, 3000, 0.05, 6)]))
    for name in ("joint1.mass", "joint2.mass"):
        k = REGRESSOR.names.index(name)
        assert name in PROBLEM.base.unseen
        assert better.values[k] == pytest.approx(REGRESSOR.nominal[k], rel=0.3)


def test_without_motion_all_masses_stay_near_the_cad_model_and_gravity_is_met() -> None:
    theta = hidden_truth(np.random.default_rng(7))
    q = HOME + np.random.default_rng(8).uniform(-0.4, 0.4, (400, 7))
    still = np.zeros_like(q)
    tau = REGRESSOR.torques(q, still, still, theta) + 0.05 * np.random.default_rng(9).normal(size=q.shape)
    better = physically_consistent(PROBLEM.fit([InertialData(q, still, still, tau)]))
    inertias = [k for k, n in enumerate(REGRESSOR.names[:BODIES]) if "inertia_zz" in n]
    np.testing.assert_allclose(better.values[inertias], REGRESSOR.nominal[inertias], rtol=0.6)
    assert least_eigenvalue(better.values) > 0
    np.testing.assert_allclose(better.torque_std, 0.05, rtol=0.15)


def test_a_tighter_prior_is_kept_closer() -> None:
    fit = PROBLEM.fit([measured(hidden_truth(np.random.default_rng(10)), 500, 3.0, 11)])
    distance = [
        np.linalg.norm(physically_consistent(fit, PhysicalPrior(inertia_std=s)).values[:BODIES] - REGRESSOR.nominal[:BODIES])
        for s in (0.01, 0.1, 1.0)
    ]
    assert distance[0] < distance[1] < distance[2]


def test_it_is_the_minimum_of_its_cost() -> None:
    """The cost, written out again from its definition, rises in every direction from the answer."""
    fit = PROBLEM.fit([measured(hidden_truth(np.random.default_rng(12)), 1000, 1.0, 13)])
    prior = PhysicalPrior(0.4, 1.0)
    theta = physically_consistent(fit, prior).values
    nominal = REGRESSOR.nominal

    def cost(t: np.ndarray) -> float:
        squares = sum(part.squares(t) / s**2 for part, s in zip(fit.condensed, fit.torque_std, strict=True))
        total = 0.5 * squares / fit.alike
        for i in range(7):
            body = slice(SIZE * i, SIZE * (i + 1))
            ratio = inertial_parameters.pseudo_inertia(t[body]) @ np.linalg.inv(
                inertial_parameters.pseudo_inertia(nominal[body])
            )
            total += (np.trace(ratio) - np.linalg.slogdet(ratio).logabsdet - 4) / prior.inertia_std**2
        for k in np.flatnonzero(REGRESSOR.nonnegative):
            total += t[k] / nominal[k] - np.log(t[k] / nominal[k]) if nominal[k] > 0 else -1e-3 * np.log(t[k])
        return float(total)

    random, least = np.random.default_rng(14), cost(theta)
    for _ in range(200):
        assert cost(theta * (1 + 1e-6 * random.normal(size=len(theta)))) > least


def test_intervals_cover_base_parameters() -> None:
    covered = []
    for seed in range(6):
        theta = hidden_truth(np.random.default_rng(20 + seed), change=0.1)
        better = physically_consistent(PROBLEM.fit([measured(theta, 2000, 0.5, 40 + seed)]))
        covered.append(np.abs(better.base_values - PROBLEM.base.matrix @ theta) <= better.base_half_width)
    assert np.mean(covered) > 0.9


def test_intervals_of_single_parameters_cover_and_are_wide_where_only_cad_speaks() -> None:
    theta = hidden_truth(np.random.default_rng(30), change=0.1)
    better = physically_consistent(PROBLEM.fit([measured(theta, 2000, 0.2, 31)]))
    assert np.mean(np.abs(better.values - theta) <= better.half_width) > 0.85
    relative = better.half_width[REGRESSOR.names.index("joint1.mass")] / REGRESSOR.nominal[0]
    assert relative == pytest.approx(1.96 * 0.3, rel=0.1)


def test_the_table_of_what_was_found_survives_saving(tmp_path: Path) -> None:
    better = physically_consistent(PROBLEM.fit([measured(REGRESSOR.nominal, 500, 0.2, 32)]))
    save_parameters(better.parameters, tmp_path / "inertias.toml")
    assert load_parameters(tmp_path / "inertias.toml") == better.parameters
    assert better.parameters["joint3.inertia_xy"].unit == "kg m²"


def test_a_cad_model_that_is_no_body_is_mended_and_named() -> None:
    wrong = REGRESSOR.nominal.copy()
    wrong[4] = -wrong[4]
    model = inertial_parameters.with_inertias(REGRESSOR.model, ca.SX(ca.DM(wrong[:BODIES])))
    better = physically_consistent(inertial_least_squares(model, [measured(REGRESSOR.nominal, 500, 0.1, 15)]))
    assert least_eigenvalue(better.values) > 0
    assert any("behind joint1 is not physical" in note for note in better.notes)


def test_priors_that_make_no_sense_are_refused() -> None:
    with pytest.raises(IdentificationError, match="inertia_std is 0"):
        PhysicalPrior(inertia_std=0.0)
