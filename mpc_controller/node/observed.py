"""What a controller asks of an observation before it plans from it."""

from __future__ import annotations

import numpy as np

from mpc_controller.bus.messages import Observation
from mpc_controller.robot import Robot


def refusal(observation: Observation, robot: Robot) -> tuple[str, str] | None:
    """Why an observation must not be planned from: a topic to count it by and a line to tell; None when it is sound."""
    if observation.robot != robot.name:
        return "other robot", f"the plant is a '{observation.robot}'; this controller is for a '{robot.name}'"
    if observation.model_hash != robot.model_hash:
        text = f"the plant's model of '{robot.name}' is {observation.model_hash}, the controller's is {robot.model_hash}"
        return "other model", f"{text}: both sides must run the same version"
    expected = len(robot.measured), robot.dynamics.nu
    if (observation.measured.shape, observation.control.shape) != ((expected[0],), (expected[1],)):
        given = observation.measured.size, observation.control.size
        text = f"{given[0]} measured and {given[1]} control values; '{robot.name}' has {expected[0]} and {expected[1]}"
        return "wrong size", f"observation {observation.sequence}: {text}"
    if not (np.isfinite(observation.measured).all() and np.isfinite(observation.control).all()):
        bad = [n for n, v in zip(robot.measured, observation.measured, strict=True) if not np.isfinite(v)]
        return "not finite", f"observation {observation.sequence}: not finite: {', '.join(bad) or 'control'}"
    return None


def is_repeat(observation: Observation, last: Observation) -> bool:
    """Whether a lock-step plant said the same once more."""
    return (observation.sequence, observation.time_ns) == (last.sequence, last.time_ns)


def is_restart(observation: Observation, last: Observation) -> bool:
    """Whether the plant has started again between two sound observations: in one run, sequence and time rise together."""
    is_later = observation.sequence > last.sequence and observation.time_ns > last.time_ns
    return not (is_later or is_repeat(observation, last))
