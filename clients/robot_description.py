"""What a plant in another language must know of a robot, as JSON: `python clients/robot_description.py ROBOT > ROBOT.json`."""

from __future__ import annotations

import json
import sys
from typing import Any

from mpc_controller.robot import Robot
from robots import load_robot


def description(robot: Robot) -> dict[str, Any]:
    """Sizes, which states are measured (indices and names), limits, rates, and the hash that plans must have."""
    dynamics, names = robot.dynamics, robot.dynamics.state_names
    return {
        "robot": robot.name,
        "model_hash": robot.model_hash,
        "states": dynamics.nx,
        "controls": dynamics.nu,
        "quaternions": list(dynamics.manifold.quaternions),
        "measured": robot.measured_indices.tolist(),
        "measured_names": list(robot.measured),
        "measured_units": [dynamics.state_units[i] for i in robot.measured_indices],
        "control_names": list(dynamics.control_names),
        "control_units": list(dynamics.control_units),
        "control_lower": robot.control_lower.tolist(),
        "control_upper": robot.control_upper.tolist(),
        "control_slew": robot.control_slew.tolist(),
        "neutral": robot.neutral.tolist(),
        "joint_limits": [
            {
                "position": names.index(limit.position),
                "velocity": names.index(limit.velocity),
                "position_name": limit.position,
                "velocity_name": limit.velocity,
                "unit": limit.unit,
                "lower": limit.lower,
                "upper": limit.upper,
                "speed": limit.speed,
                "deceleration": limit.deceleration,
                "reaction_s": limit.reaction_s,
            }
            for limit in robot.joint_limits
        ],
        "passive_without_plan": robot.passive_without_plan,
        "plant_rate_hz": robot.plant_rate_hz,
        "plan_rate_hz": robot.control_rate_hz,
    }


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python clients/robot_description.py ROBOT")
    print(json.dumps(description(load_robot(sys.argv[1])), indent=2))


if __name__ == "__main__":
    main()
