"""The simulated plant against closed forms."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.robot import MjcfAdapter
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.sim.sliders import DAMPING, MASS, SLIDER_XML, ball, slider

PERIOD = 0.002


def plant_of(robot, truth=SimTruth(), x0=None, seed=0):  # noqa: B008 (frozen)
    return MujocoPlant(robot, np.zeros(robot.dynamics.nx) if x0 is None else np.array(x0, dtype=float), truth, seed, PERIOD)


def state_after(plant, u, seconds):
    for _ in range(round(seconds / PERIOD)):
        plant.apply(np.array(u, dtype=float))
    return plant.read()[1]


def test_a_force_accelerates_the_mass_along_its_rail(tmp_path):
    x = state_after(plant_of(slider(tmp_path)), [0.0, 3.0], 1.0)
    assert x[3] == pytest.approx(3.0 / MASS, rel=1e-9)
    assert x[1] == pytest.approx(0.5 * 3.0 / MASS, rel=2e-3)  # first-order integrator, 1 ms


def test_a_heavier_plant_accelerates_less(tmp_path):
    x = state_after(plant_of(slider(tmp_path), SimTruth(mass_scale=1.25)), [0.0, 3.0], 1.0)
    assert x[3] == pytest.approx(3.0 / (1.25 * MASS), rel=1e-9)


def test_drag_slows_a_moving_base_exponentially(tmp_path):
    drag = 3.0
    x = state_after(plant_of(slider(tmp_path), SimTruth(linear_drag=drag), [0, 0, 0, 1.0]), [0.0, 0.0], 1.0)
    assert x[3] == pytest.approx(np.exp(-drag / MASS), rel=3e-3)


def test_drag_acts_on_a_free_body_along_all_world_axes_and_not_on_its_rotation(tmp_path):
    start = np.array([0, 0, 0, 1, 0, 0, 0, 1.0, -2.0, 3.0, 0.5, 0, 0])
    x = state_after(plant_of(ball(tmp_path, 0.0), SimTruth(linear_drag=2.0), start), [], 1.0)
    np.testing.assert_allclose(x[7:10], np.array([1.0, -2.0, 3.0]) * np.exp(-1.0), rtol=3e-3)
    assert x[10] == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_joint_damping_is_scaled(tmp_path, scale):
    x = state_after(plant_of(slider(tmp_path), SimTruth(joint_damping_scale=scale), [0, 0, 1.0, 0]), [0.0, 0.0], 1.0)
    assert x[2] == pytest.approx(np.exp(-scale * DAMPING / MASS), rel=3e-3)


def test_dry_friction_is_scaled(tmp_path):
    robot = slider(tmp_path, SLIDER_XML.replace('axis="0 1 0"', 'axis="0 1 0" frictionloss="0.5"'))
    x = state_after(plant_of(robot, SimTruth(joint_friction_scale=2.0), [0, 0, 0, 2.0]), [0.0, 0.0], 1.0)
    assert x[3] == pytest.approx(2.0 - 2.0 * 0.5 / MASS, rel=1e-2)


def test_actuators_give_the_scaled_force(tmp_path):
    x = state_after(plant_of(slider(tmp_path), SimTruth(actuator_gain_scale=0.8)), [0.0, 3.0], 1.0)
    assert x[3] == pytest.approx(0.8 * 3.0 / MASS, rel=1e-9)


def test_a_command_acts_after_the_actuators_delay(tmp_path):
    x = state_after(plant_of(slider(tmp_path), SimTruth(actuator_delay_s=0.25)), [0.0, 3.0], 1.0)
    assert x[3] == pytest.approx(0.75 * 3.0 / MASS, rel=1e-9)


def test_measurements_are_as_old_as_the_observations_delay(tmp_path):
    plant = plant_of(slider(tmp_path), SimTruth(observation_delay_s=0.01))
    measured, truth = [], []
    for _ in range(50):
        m, x = plant.read()
        measured.append(m)
        truth.append(x)
        plant.apply(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(np.array(measured[5:]), np.array(truth[:-5]))
    np.testing.assert_array_equal(np.array(measured[:5]), np.tile(truth[0], (5, 1)))


def test_noise_has_the_standard_deviation_that_was_asked_for(tmp_path):
    robot = ball(tmp_path, 0.01)
    plant = plant_of(robot, SimTruth(noise_scale=2.0), [0, 0, 0, 0.6, 0.8, 0, 0, 0, 0, 0, 0, 0, 0])
    errors = np.array([robot.dynamics.manifold.difference(*plant.read()) for _ in range(4000)])
    np.testing.assert_allclose(errors.std(axis=0), 0.02, rtol=0.06)
    np.testing.assert_allclose(errors.mean(axis=0), 0.0, atol=0.002)


def test_measured_quaternions_stay_unit_length(tmp_path):
    plant = plant_of(ball(tmp_path, 0.3), x0=[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3])
    assert np.linalg.norm(plant.read()[0][3:7]) == pytest.approx(1.0, abs=1e-12)


def test_only_what_is_measured_is_given_in_its_order(tmp_path):
    robot = replace(slider(tmp_path), measured=("y", "x"), measurement_std=np.zeros(2))
    measured, _ = plant_of(robot, x0=[1, 2, 3, 4]).read()
    np.testing.assert_array_equal(measured, [2, 1])


def test_the_same_seed_gives_the_same_run_to_the_last_bit(tmp_path):
    def run(seed):
        plant = plant_of(slider(tmp_path, noise=0.01), SimTruth(linear_drag=1.0, actuator_delay_s=0.003), seed=seed)
        rows = []
        for k in range(200):
            rows.append(np.concatenate(plant.read()))
            plant.apply(np.array([np.sin(0.1 * k), np.cos(0.1 * k)]))
        return np.array(rows)

    assert run(1).tobytes() == run(1).tobytes()
    assert run(1).tobytes() != run(2).tobytes()


def test_a_simulation_that_breaks_down_says_so_once_and_keeps_the_last_sound_state(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    plant = plant_of(slider(tmp_path))
    before = state_after(plant, [1.0, 1.0], 0.1)
    plant.apply(np.array([0.0, 1e300]))
    assert "broke down at 0.1" in plant.failure
    assert "\n" not in plant.failure
    plant.apply(np.zeros(2))
    np.testing.assert_array_equal(plant.read()[1], before)
    assert capfd.readouterr().out == ""
    assert not Path("MUJOCO_LOG.TXT").exists()


def test_forces_of_the_robots_own_law_act_with_scaled_parameters(tmp_path):
    """A spring along y as the law: y(t) = cos(√(k/m) t), k = the model's mass parameter here."""
    adapter = MjcfAdapter(
        state=lambda s: s.copy(), mjcf_state=lambda x: x, forces=lambda x, p: np.array([0.0, -p[0] * 4.0 * x[1]])
    )
    robot = slider(tmp_path, adapter=adapter)
    x = state_after(plant_of(robot, SimTruth(parameter_scale={"mass": 2.25}), [0, 1.0, 0, 0]), [0.0, 0.0], 0.5)
    assert x[1] == pytest.approx(np.cos(0.5 * np.sqrt(2.25 * 4.0)), abs=3e-3)


def test_scales_of_parameters_that_no_law_sees_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"parameter_scale.mass' for 'slider'; this robot has no force law"):
        plant_of(slider(tmp_path), SimTruth(parameter_scale={"mass": 1.1}))


def test_drag_on_a_base_that_does_not_translate_is_refused(tmp_path):
    xml = SLIDER_XML.replace('type="slide"', 'type="hinge"')
    with pytest.raises(ValueError, match="'linear_drag' is 1; the base of 'slider' does not translate"):
        plant_of(slider(tmp_path, xml), SimTruth(linear_drag=1.0))


def test_a_period_that_is_no_whole_number_of_steps_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"rate is 400 Hz; .* 1000 steps a second divided by a whole number, such as 500 Hz"):
        MujocoPlant(slider(tmp_path), np.zeros(4), SimTruth(), 0, 0.0025)


@pytest.mark.parametrize("state", [np.zeros(3), np.array([0, np.nan, 0, 0])])
def test_an_initial_state_that_is_no_state_is_refused(tmp_path, state):
    with pytest.raises(ValueError, match="it must be 4 finite numbers"):
        MujocoPlant(slider(tmp_path), state, SimTruth(), 0, PERIOD)


def test_an_initial_orientation_of_zero_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"quaternion .* must not be zero"):
        plant_of(ball(tmp_path, 0.0), x0=np.zeros(13))


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<mujoco><worldbody", "not a model that MuJoCo can load"),
        (SLIDER_XML.replace('<motor joint="y"/>', ""), "1 actuators; the model of 'slider' has 2 controls"),
        (SLIDER_XML.replace("</body>", '<body><joint type="slide"/><geom size="1"/></body></body>'), r"3 \+ 3 \+ 0 entries"),
    ],
)
def test_an_mjcf_that_does_not_fit_the_model_is_refused(tmp_path, xml, message):
    with pytest.raises(ValueError, match=message):
        plant_of(slider(tmp_path, xml))


def test_a_missing_mjcf_is_named(tmp_path):
    robot = replace(slider(tmp_path), mjcf=tmp_path / "nowhere.xml")
    with pytest.raises(ValueError, match=r"nowhere\.xml"):
        plant_of(robot)


def test_the_viewer_is_not_loaded_with_the_plant():
    code = "import sys, sim.mujoco_plant; sys.exit('mujoco.viewer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()}).returncode == 0
