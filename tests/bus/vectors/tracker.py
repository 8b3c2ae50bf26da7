"""The command between two plans: feedforward, feedback on the manifold, saturation, at times in and outside of the plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Plan
from mpc_controller.control.tracker import Tracker
from mpc_controller.robot import Robot
from mpc_controller.solvers.trajectory import Trajectory
from robots import load_robot
from tests.bus.vectors.machines import MS, described, fixed, frame, plan, rounded, sled, top, unit_quaternions
from tests.control import machines

_START = 7_000 * MS
_TIMES = (-1, 0, 1, 7 * MS, 20 * MS - 1, 20 * MS, 33 * MS + 333_333, 50 * MS - 1, 50 * MS, 51 * MS, 10**15)


def cases() -> list[dict[str, Any]]:
    wide = top(control_lower=np.full(3, -50.0), control_upper=np.full(3, 50.0))
    all_measured = fixed(machines.top(machines.TopDynamics.state_names))
    flyer = fixed(load_robot("quadrotor"))
    robots = {"sled": sled(), "top": top(), "top in a wide range": wide, "top, all measured": all_measured, "quadrotor": flyer}
    plans = [plan(robot, np.random.default_rng(k), _START) for k, robot in enumerate(robots.values())]
    named = zip(robots.items(), plans, strict=True)
    return [*(_case(name, robot, message) for (name, robot), message in named), *_attitudes(wide)]


def _attitudes(robot: Robot) -> list[dict[str, Any]]:
    """From one attitude to the same, to its other sign, to almost the opposite one, by almost nothing."""
    base = np.array([0.5, -0.5, 0.5, 0.5])
    others = {
        "the same attitude": base,
        "the other sign": -base,
        "half a turn away": np.array([0.5, 0.5, -0.5, 0.5]),
        "almost a whole turn away": -np.array([0.5001, -0.4999, 0.5, 0.5]) / np.linalg.norm([0.5001, -0.4999, 0.5, 0.5]),
        "a billionth of a turn away": base + 1e-9 * np.array([1.0, 1.0, 0.0, 0.0]),
    }
    result = []
    for k, (name, other) in enumerate(others.items()):
        message = plan(robot, np.random.default_rng(k), _START)
        message.states[:, :4] = base, other, base
        result.append(_case(f"attitudes: {name}", robot, message))
    return result


def _case(name: str, robot: Robot, message: Plan) -> dict[str, Any]:
    random = np.random.default_rng(5)
    trajectory = Trajectory(robot.dynamics.manifold, message.times, message.states, message.controls)
    samples = []
    for offset in _TIMES:
        time_ns = _START + offset
        measured = _measured(robot, random)
        command = Tracker(robot).command(trajectory, message.gains, time_ns, measured)
        samples.append({"time_ns": time_ns, "measured": measured, "state": trajectory.at(time_ns)[0], "command": command})
    return {"name": name, "robot": described(robot), "plan": frame(message), "samples": samples}


def _measured(robot: Robot, random: np.random.Generator) -> Array:
    state = rounded(random.standard_normal(robot.dynamics.nx))
    for start in robot.dynamics.manifold.quaternions:
        state[start : start + 4] = unit_quaternions(random, 1)[0]
    return np.asarray(state[robot.measured_indices])
