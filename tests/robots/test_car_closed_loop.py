"""The car under model-predictive control, in a plant that is heavier, slower and slipperier than the model."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.trajectory import Trajectory
from robots.car import robot
from robots.car.tasks import DISC_RADIUS, LANE_HALF_WIDTH, STEERING_LIMIT, free_space
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth

CONTROL_PERIOD, PLANT_PERIOD = 0.02, 0.002
TRUTH = SimTruth(
    mass_scale=1.1, linear_drag=0.5, actuator_delay_s=0.004, parameter_scale={"friction": 0.85, "front_stiffness": 0.9}
)


@pytest.fixture(scope="module")
def passing() -> tuple[np.ndarray, np.ndarray]:
    """States and controls, a row for every 2 ms, of one run of pass-obstacle with noisy measurements."""
    car = robot()
    task = car.tasks["pass-obstacle"]()
    solver, problem = MultipleShooting(task.problem), task.problem
    plant = MujocoPlant(car, task.initial_state, TRUTH, 3, PLANT_PERIOD)
    guess = Trajectory.constant(
        car.dynamics.manifold, np.rint(problem.times * 1e9).astype(np.int64), task.initial_state, car.neutral
    )
    states, controls = [], []
    for k in range(round(task.duration_s / CONTROL_PERIOD)):
        start_s = k * CONTROL_PERIOD
        measured, x = plant.read()
        x[car.measured_indices] = measured
        solution = solver.solve(
            x, problem.parameters.values, task.reference(start_s + problem.times), guess.shifted(round(start_s * 1e9))
        )
        assert solution.is_usable
        guess = solution.trajectory
        for i in range(round(CONTROL_PERIOD / PLANT_PERIOD)):
            wanted, u = guess.at(round((start_s + i * PLANT_PERIOD) * 1e9))
            measured, x = plant.read()
            states.append(x.copy())
            x[car.measured_indices] = measured
            u = np.clip(u + solution.gains[0] @ (x - wanted), car.control_lower, car.control_upper)
            controls.append(u)
            plant.apply(u)
    assert not plant.failure
    return np.array(states), np.array(controls)


def test_it_passes_the_obstacle_without_touching_it(passing):
    states, _ = passing
    assert min(free_space(x) for x in states) > 0.02
    assert states[-1, 0] > 12.0


def test_it_keeps_lane_and_steering_within_their_limits(passing):
    states, _ = passing
    assert np.abs(states[:, 1]).max() < LANE_HALF_WIDTH - DISC_RADIUS
    assert np.abs(states[:, 6]).max() <= STEERING_LIMIT


def test_it_returns_to_the_lanes_middle_at_speed(passing):
    states, _ = passing
    assert abs(states[-1, 1]) < 0.02
    assert states[-1, 3] == pytest.approx(2.0, abs=0.1)


def test_commands_change_slower_than_the_actuators_may(passing):
    _, controls = passing
    assert (np.abs(np.diff(controls, axis=0)) <= robot().control_slew * PLANT_PERIOD).all()
