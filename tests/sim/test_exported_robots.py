"""The plant of an exported MJCF moves as the model at the parameters that were exported, whatever kind of number holds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import casadi as ca
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.identification.export.mjcf import export_robot
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.parameters import Parameters
from mpc_controller.robot import Robot
from robots import ROBOTS, load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth

_SECONDS, _PERIOD = 0.2, 0.002


def other_parameters(robot: Robot) -> Parameters:
    """All of them 10 to 30 % larger; those that are 0 a twentieth of their range."""
    random = np.random.default_rng(0)
    values = {
        p.name: float(np.clip(p.value * random.uniform(1.1, 1.3) if p.value else 0.05 * p.upper, p.lower, p.upper))
        for p in robot.dynamics.nominal.parameters
    }
    return robot.dynamics.nominal.parameters.with_values(values)


def start_of(robot: Robot) -> tuple[Array, Array]:
    """A moving robot in its default task, and controls that are not those of rest."""
    x = robot.tasks[robot.default_task]().initial_state.copy()
    u = 0.3 * (robot.control_upper + robot.control_lower) / 2 + 0.2 * robot.control_upper
    speeds = [i for i, unit in enumerate(robot.dynamics.state_units) if unit.endswith("/s")]
    x[speeds] += 0.3
    if robot.name == "quadrotor":
        x[2], x[7:10], x[13:] = 2.0, [2.0, -1.0, 0.5], u
    if robot.name == "car":
        x[3], x[6] = 4.0, 0.1
        u = np.array([5.0, 0.1])
    return x, u


@pytest.mark.parametrize("name", ROBOTS)
def test_the_plant_of_an_exported_robot_moves_as_its_model(name: str, tmp_path: Path) -> None:
    robot = load_robot(name)
    parameters, (start, u) = other_parameters(robot), start_of(robot)
    export_robot(robot, parameters, tmp_path / "identified.xml")
    dynamics = robot.dynamics.nominal
    x, p, dt = ca.SX.sym("x", dynamics.nx), ca.SX.sym("p", dynamics.np), 2e-4
    step = ca.Function("step", [x, p], [RungeKutta4().step(dynamics, x, ca.SX(ca.DM(u)), p, ca.SX(dt))])
    wanted = {}
    for what, values in (("identified", parameters.values), ("nominal", dynamics.parameters.values)):
        state = start
        for _ in range(round(_SECONDS / dt)):
            state = step(state, values).full().ravel()
        wanted[what] = state
    plant = MujocoPlant(replace(robot, mjcf=tmp_path / "identified.xml"), start, SimTruth(), 0, _PERIOD)
    for _ in range(round(_SECONDS / _PERIOD)):
        plant.apply(u)
    found = plant.read()[1]
    off, moved = np.abs(found - wanted["identified"]).max(), np.abs(wanted["nominal"] - wanted["identified"]).max()
    assert moved > 0.01
    assert off < 0.02 * moved
