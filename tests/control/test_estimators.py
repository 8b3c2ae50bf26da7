"""The filters against closed forms, a linear Kalman filter and chance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.control.estimator import Estimator
from mpc_controller.control.estimators import ESTIMATORS
from mpc_controller.control.extended_kalman_filter import ExtendedKalmanFilter, FilterOptions
from mpc_controller.control.passthrough import Passthrough
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.slow_parameters import SlowParameters, disturbances_of
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.robot import Robot
from tests.control.machines import MS, observation, sled, top, transition

P_SLED = np.array([2.0, 0.0])
START = np.array([0.0, 0.0])


def predictor(robot: Robot) -> Predictor:
    return Predictor(robot.dynamics, RungeKutta4())


def ekf(robot: Robot, options: FilterOptions | None = None) -> ExtendedKalmanFilter:
    start = np.zeros(robot.dynamics.nx)
    for quaternion in robot.dynamics.manifold.quaternions:
        start[quaternion] = 1.0
    return ExtendedKalmanFilter(robot, predictor(robot), start, options)


def pushed_sled(push: float, steps: int, noise: float, seed: int = 0) -> Iterator[tuple[int, Array, Array, Array]]:
    """(time in ms, control, true state, measured) every 2 ms under a constant push on the acceleration [m/s²]."""
    random = np.random.default_rng(seed)
    A, B, E = transition(2.0, 0.002)
    x = np.zeros(2)
    for k in range(steps):
        u = np.array([2.0 * np.sin(0.05 * k)])
        if k:
            x = A @ x + B @ u + E[:, 0] * push
        yield k, u, x, x[:1] + noise * random.standard_normal(1)


@pytest.mark.parametrize("delay_s", [0.0, 0.005])
def test_filter_is_the_linear_kalman_filter_on_a_linear_model(delay_s: float):
    """Changes of the command of the last milliseconds, forgotten at the rate of `command_delay_s`, are noise on the input."""
    robot = sled()
    filter_ = ekf(robot, FilterOptions(command_delay_s=delay_s))
    x, P = np.zeros(3), np.diag([1e-3, 0.1, 0.5]) ** 2
    commands: list[float] = []
    A, B, E = transition(2.0, 0.002)
    F = np.block([[A, E], [np.zeros((1, 2)), np.eye(1)]])
    Q = 0.002 * np.diag([1e-3, 1e-2, 0.5]) ** 2
    H, R = np.array([[1.0, 0.0, 0.0]]), np.array([[1e-6]])
    for k, u, _, z in pushed_sled(1.0, 200, 1e-3):
        estimate = filter_.update(observation(robot, k, z, u), P_SLED)
        if k == 0:
            x[0] = z[0]
        else:
            changes = np.diff([*commands, u[0]])[::-1]
            unsettled = sum(c**2 * np.exp(-0.002 * age / delay_s) for age, c in enumerate(changes)) if delay_s else 0.0
            b = np.concatenate([B[:, 0], [0.0]])
            x, P = F @ x + b * u[0], F @ P @ F.T + Q + unsettled * np.outer(b, b)
            K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
            x, P = x + K @ (z - H @ x), (np.eye(3) - K @ H) @ P
        commands.append(u[0])
        np.testing.assert_allclose(np.concatenate([estimate.state, estimate.disturbance]), x, atol=1e-9)
        np.testing.assert_allclose(estimate.covariance, P, atol=1e-10)


@pytest.mark.parametrize("delay_s", [0.0, 0.005])
def test_a_gap_is_bridged_as_the_ticks_that_were_lost(delay_s: float):
    """By the linear Kalman filter that predicts every tick and takes in what came; in a gap the next command told acts."""
    robot, random = sled(), np.random.default_rng(4)
    filter_ = ekf(robot, FilterOptions(command_delay_s=delay_s))
    A, B, E = transition(2.0, 0.002)
    F, b = np.block([[A, E], [np.zeros((1, 2)), np.eye(1)]]), np.concatenate([B[:, 0], [0.0]])
    Q = 0.002 * np.diag([1e-3, 1e-2, 0.5]) ** 2
    H, R = np.array([[1.0, 0.0, 0.0]]), np.array([[1e-6]])
    x, P = np.zeros(3), np.diag([1e-3, 0.1, 0.5]) ** 2
    arrived = [row for row in pushed_sled(1.0, 300, 1e-3) if row[0] == 0 or random.random() < 0.6]
    x[0], unsettled = arrived[0][3][0], 0.0
    filter_.update(observation(robot, 0, arrived[0][3], arrived[0][1]), P_SLED)
    for (last, command, _, _), (k, u, _, z) in pairwise(arrived):
        estimate = filter_.update(observation(robot, k, z, u), P_SLED)
        for tick in range(k - last):
            change = (u - command)[0] if tick == 0 else 0.0
            unsettled = np.exp(-0.002 / delay_s) * unsettled + change**2 if delay_s else 0.0
            x, P = F @ x + b * u[0], F @ P @ F.T + Q + unsettled * np.outer(b, b)
        K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
        x, P = x + K @ (z - H @ x), (np.eye(3) - K @ H) @ P
        np.testing.assert_allclose(np.concatenate([estimate.state, estimate.disturbance]), x, atol=1e-9)
        np.testing.assert_allclose(estimate.covariance, P, atol=1e-10)


def test_a_constant_push_is_recovered():
    robot = sled()
    filter_ = ekf(robot)
    run = list(pushed_sled(1.5, 2000, 1e-4))
    for k, u, _, z in run:
        estimate = filter_.update(observation(robot, k, z, u), P_SLED)
    assert estimate.disturbance[0] == pytest.approx(1.5, abs=0.3)
    np.testing.assert_allclose(estimate.state, run[-1][2], atol=0.02)


def test_disturbance_stays_within_its_limit():
    robot = sled()
    filter_ = ekf(robot, FilterOptions(disturbance_limit=np.array([0.4])))
    for k, u, _, z in pushed_sled(1.5, 1000, 1e-3):
        estimate = filter_.update(observation(robot, k, z, u), P_SLED)
        assert abs(estimate.disturbance[0]) <= 0.4
    assert estimate.disturbance[0] == pytest.approx(0.4)


def test_errors_are_as_large_as_the_covariance_says():
    """Normalised squared errors over 40 runs drawn from the filter's own model average to their dimension, 3."""
    robot = sled()
    distances = []
    for seed in range(40):
        filter_, random = ekf(robot), np.random.default_rng(seed)
        x = np.array([0.0, 0.1, 0.5]) * random.standard_normal(3)
        A, _, E = transition(2.0, 0.002)
        F = np.block([[A, E], [np.zeros((1, 2)), np.eye(1)]])
        for k in range(200):
            if k:
                x = F @ x + np.sqrt(0.002) * np.array([1e-3, 1e-2, 0.5]) * random.standard_normal(3)
            estimate = filter_.update(observation(robot, k, x[:1] + 1e-3 * random.standard_normal(1)), P_SLED)
        error = np.concatenate([estimate.state, estimate.disturbance]) - x
        distances.append(error @ np.linalg.solve(estimate.covariance, error))
    # χ² of 120 degrees of freedom, divided by 40: 99.9 % lie within 1.9 and 4.4.
    assert 1.9 < np.mean(distances) < 4.4


def test_attitude_and_unmeasured_rates_are_followed_through_many_turns():
    robot = top()
    filter_, steps = ekf(robot), predictor(robot)
    manifold, random = robot.dynamics.manifold, np.random.default_rng(1)
    p, push = robot.dynamics.parameters.values, np.array([0.0, 0.2, -0.1])
    x = np.concatenate([manifold.normalized(np.array([0.8, 0.1, -0.5, 0.2, 0, 0, 0]))[:4], np.zeros(3)])
    for k in range(2500):
        u = np.array([0.3 * np.sin(0.01 * k), 0.5, -0.4 * np.cos(0.02 * k)])
        if k:
            x = steps.step(x, u, np.concatenate([p[:1], push]), 0.002)
        noisy = manifold.retract(x, np.concatenate([2e-3 * random.standard_normal(3), np.zeros(3)]))
        measured = noisy[:4] * (-1) ** k  # q and −q are the same attitude
        estimate = filter_.update(observation(robot, k, measured, u), p)
        assert estimate.note == ""
    error = manifold.difference(x, estimate.state)
    assert np.abs(error[:3]).max() < 5e-3
    assert np.abs(error[3:]).max() < 0.1
    assert np.linalg.norm(estimate.state[:4]) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(estimate.disturbance, push, atol=0.3)


def test_one_spike_is_rejected():
    robot = sled()
    filter_ = ekf(robot)
    for k, u, x, z in pushed_sled(0.0, 300, 1e-3):
        estimate = filter_.update(observation(robot, k, z + (5.0 if k == 250 else 0.0), u), P_SLED)
        assert estimate.note.startswith("measurement rejected") == (k == 250)
        assert abs(estimate.state[0] - x[0]) < 0.01


@pytest.mark.parametrize("starts_at", [1, 3, 400])
def test_bang_bang_commands_through_a_delay_that_nobody_modelled_are_no_outliers(starts_at: int):
    """Both states are seen, ±20 N act 4 ms late: 0.02 m/s in a step, where the speed is known to 1 mm/s."""
    robot = sled(measured=("q", "q_dot"), measurement_std=np.array([1e-4, 1e-3]))
    filter_, random = ekf(robot), np.random.default_rng(3)
    A, B, _ = transition(2.0, 0.002)
    x, commands = np.zeros(2), [0.0, 0.0]
    for k in range(1000):
        commands.append(0.0 if k < starts_at else 20.0 * np.sign(np.sin(0.03 * (k - starts_at) + 1e-9)))
        if k:
            x = A @ x + B[:, 0] * commands[-3]
        z = x + np.array([1e-4, 1e-3]) * random.standard_normal(2)
        estimate = filter_.update(observation(robot, k, z, np.array([commands[-1]])), P_SLED)
        assert estimate.note == ""
        assert abs(estimate.state[1] - x[1]) < 0.01


def test_a_command_beyond_all_numbers_is_forgotten():
    robot = sled()
    filter_ = ekf(robot)
    for k in range(100):
        control = np.array([1e308 if 20 <= k < 30 else 0.0])
        with np.errstate(all="ignore"):
            estimate = filter_.update(observation(robot, k, [0.1], control), P_SLED)
    assert estimate.note == ""
    np.testing.assert_allclose(estimate.state, [0.1, 0.0], atol=0.01)


def test_spikes_in_a_row_are_believed_in_the_end():
    robot = sled()
    filter_ = ekf(robot)
    notes = []
    for k, u, _, z in pushed_sled(0.0, 300, 1e-3):
        estimate = filter_.update(observation(robot, k, z + (5.0 if k >= 250 else 0.0), u), P_SLED)
        notes.append(estimate.note.partition(":")[0])
    assert notes[250:255] == ["measurement rejected"] * 4 + ["started anew"]
    assert not any(notes[255:])
    assert estimate.state[0] == pytest.approx(5.0 + z[0], abs=0.01)


@pytest.mark.parametrize(
    "kind", [ekf, lambda robot: Passthrough(robot, predictor(robot), START)], ids=["filter", "passthrough"]
)
def test_a_long_gap_starts_anew_and_a_short_one_is_bridged(kind):
    robot = sled()
    estimator: Estimator = kind(robot)
    for k in range(100):
        estimator.update(observation(robot, k, [0.002 * k]), P_SLED)
    bridged = estimator.update(observation(robot, 100, [0.3], time_ns=300 * MS), P_SLED)
    assert bridged.note == "" or bridged.note.startswith("measurement rejected")
    anew = estimator.update(observation(robot, 101, [7.0], time_ns=900 * MS), P_SLED)
    assert anew.note == "started anew after 0.600 s without observations"
    assert anew.state[0] == 7.0


def test_irregular_intervals_give_the_same_prediction_as_regular_ones():
    robot = sled()
    u = np.array([3.0])
    ends = []
    for times in ([0, 10, 20, 30, 40], [0, 1, 17, 40]):
        passthrough = Passthrough(robot, predictor(robot), START)
        for t in times:
            x = passthrough.update(observation(robot, t, [0.5 * 1.5 * (t * 1e-3) ** 2], u, time_ns=t * MS), P_SLED).state
        ends.append(x)
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-12)
    np.testing.assert_allclose(ends[0], [0.5 * 1.5 * 0.04**2, 1.5 * 0.04], atol=1e-12)


def test_passthrough_believes_what_is_measured():
    robot = top(measured=robot_states())
    passthrough = Passthrough(robot, predictor(robot), np.array([1.0, 0, 0, 0, 0, 0, 0]))
    measured = np.array([0.6, 0.8, 0.0, 0.0, 1.0, 2.0, 3.0])
    estimate = passthrough.update(observation(robot, 0, measured), robot.dynamics.parameters.values)
    np.testing.assert_allclose(estimate.state, measured, atol=1e-15)
    assert not estimate.disturbance.any()


def test_passthrough_goes_on_after_a_prediction_that_is_not_finite():
    robot = sled()
    passthrough = Passthrough(robot, predictor(robot), np.array([0.0, 0.25]))
    passthrough.update(observation(robot, 0, [0.1]), P_SLED)
    notes = []
    for k in range(1, 6):
        control = np.array([np.inf if k == 2 else 0.0])
        estimate = passthrough.update(observation(robot, k, [0.1], control), P_SLED)
        notes.append(estimate.note)
        np.testing.assert_array_equal(estimate.state, [0.1, 0.25])
    assert notes == ["", "started anew: the predicted state was not finite", "", "", ""]


def robot_states() -> tuple[str, ...]:
    return top().dynamics.state_names


def test_reset_forgets():
    robot = sled()
    filter_ = ekf(robot)
    first = filter_.update(observation(robot, 0, [0.2]), P_SLED)
    for k in range(1, 50):
        filter_.update(observation(robot, k, [0.2 + 0.01 * k]), P_SLED)
    filter_.reset()
    again = filter_.update(observation(robot, 0, [0.2]), P_SLED)
    np.testing.assert_array_equal(again.state, first.state)
    np.testing.assert_array_equal(again.covariance, first.covariance)


@pytest.mark.parametrize("name", ["measurement_std", "process_std", "disturbance_std"])
def test_a_standard_deviation_of_the_wrong_size_is_refused_by_name(name: str):
    with pytest.raises(ValueError, match=name):
        ekf(sled(**{name: np.ones(7)}))


def moving_sled(mass: float, steps: int, push: float = 0.0, seed: int = 0) -> Iterator[tuple[int, Array, Array, Array]]:
    """(tick of 2 ms, control, true state, measured) of a sled of that mass, to and fro."""
    random = np.random.default_rng(seed)
    A, B, E = transition(mass, 0.002)
    x = np.zeros(2)
    for k in range(steps):
        u = np.array([8.0 * np.sin(0.006 * k)])
        if k:
            x = A @ x + B @ u + E[:, 0] * push
        yield k, u, x, x[:1] + 1e-4 * random.standard_normal(1)


def with_mass(robot: Robot, start: float = 2.0) -> ExtendedKalmanFilter:
    """Disturbances decay, the mass is learned."""
    mass = SlowParameters(
        ("mass",), *(np.array([v]) for v in (start, 0.5, 0.5, 0.01, np.inf, 0.1, 10.0)), is_learned=np.array([True])
    )
    slow = disturbances_of(robot).decaying(0.1) + mass
    return ExtendedKalmanFilter(robot, Predictor(robot.dynamics, RungeKutta4(), slow=slow.names), START, slow=slow)


def test_a_parameter_beside_the_state_is_found_within_its_interval():
    robot = sled(measurement_std=np.array([1e-4]))
    filter_ = with_mass(robot)
    for k, u, _, z in moving_sled(2.6, 4000):
        estimate = filter_.update(observation(robot, k, z, u), P_SLED)
    std = np.sqrt(estimate.covariance[-1, -1])
    assert std < 0.1
    assert abs(estimate.learned[0] - 2.6) < 1.96 * std


def test_what_must_not_be_learned_stands_still_and_is_no_more_certain():
    robot = sled(measurement_std=np.array([1e-4]))
    filter_ = with_mass(robot)
    run = list(moving_sled(2.6, 1500))
    for k, u, _, z in run:
        estimate = filter_.update(observation(robot, k, z, u), P_SLED, learn=False)
        assert (estimate.learned[0], estimate.covariance[-1, -1]) == (2.0, pytest.approx(0.25))
    np.testing.assert_allclose(estimate.state, run[-1][2], atol=0.1)
    assert np.linalg.eigvalsh(estimate.covariance).min() > 0


def test_learned_parameters_survive_a_gap_and_spikes_but_not_a_reset():
    robot = sled(measurement_std=np.array([1e-4]))
    filter_ = with_mass(robot)
    for k, u, _, z in moving_sled(2.6, 3000):
        before = filter_.update(observation(robot, k, z, u), P_SLED)
    after = filter_.update(observation(robot, 3000, [7.0], time_ns=9000 * MS), P_SLED)
    assert after.note.startswith("started anew")
    assert after.learned[0] == before.learned[0]
    assert after.covariance[-1, -1] == pytest.approx(before.covariance[-1, -1])
    for k in range(5):
        spiked = filter_.update(observation(robot, 3001 + k, [90.0], time_ns=(9002 + 2 * k) * MS), P_SLED)
    assert "contradicted" in spiked.note
    assert spiked.learned[0] == before.learned[0]
    filter_.reset()
    assert filter_.update(observation(robot, 0, [0.0]), P_SLED).learned[0] == 2.0


def test_uncertainty_of_what_nothing_excites_stays_as_it_was_at_the_start():
    robot = sled()
    filter_ = with_mass(robot)
    for k in range(3000):
        estimate = filter_.update(observation(robot, k, [0.0]), P_SLED)
    assert estimate.covariance[-1, -1] == pytest.approx(0.25, rel=1e-6)
    assert estimate.learned[0] == pytest.approx(2.0, abs=1e-6)


def test_a_new_parameter_takes_from_the_disturbance_what_it_now_explains():
    """The force 8 N on 2 kg and a push of −0.9 m/s² moved the sled; on 2.5 kg it is a push of −0.1 m/s², at once."""
    robot = sled()
    filter_ = ekf(robot)
    A, B, E = transition(2.0, 0.002)
    x, u = np.zeros(2), np.array([8.0])
    for k in range(1500):
        x = A @ x + B @ u - 0.9 * E[:, 0] if k else x
        before = filter_.update(observation(robot, k, x[:1], u), P_SLED)
    x = A @ x + B @ u - 0.9 * E[:, 0]
    after = filter_.update(observation(robot, 1500, x[:1], u), np.array([2.5, 0.0]))
    assert before.disturbance[0] == pytest.approx(-0.9, abs=1e-3)
    assert after.disturbance[0] == pytest.approx(-0.1, abs=2e-3)
    np.testing.assert_allclose(after.state, x, atol=1e-5)


def test_a_filter_and_a_predictor_of_other_parameters_are_refused():
    robot = sled()
    with pytest.raises(
        ValueError, match=r"slow parameters are \('disturbance.q_dot',\), the predictor's derivatives \('mass',\)"
    ):
        ExtendedKalmanFilter(robot, Predictor(robot.dynamics, RungeKutta4(), slow=("mass",)), START)


def test_the_filter_without_disturbance_learns_no_push_and_tells_the_state_all_the_same():
    robot = sled()
    filter_ = ESTIMATORS["ekf-without-disturbance"](robot, predictor(robot), START)
    for k, u, x, z in pushed_sled(1.0, 500, 1e-4):
        estimate = filter_.update(observation(robot, k, z, u), P_SLED)
        assert estimate.disturbance == pytest.approx([0.0], abs=0.0)
        assert abs(estimate.state[0] - x[0]) < 0.01  # it trails the push, and no more than that
