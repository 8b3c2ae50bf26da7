"""An excitation experiment: the signals of a robot's channels, and the task that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.excitation.signal import Shape
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.robot import Channel, Excitation, Robot, Task

_SAMPLE_S = 0.005  # at which the limits of a channel are checked
_SETTLE_S = 1.0  # at rest after the signal


@final
@dataclass(frozen=True)
class Experiment:
    """One signal a channel of the robot's Excitation, all as long."""

    robot: str
    shapes: tuple[Shape, ...]

    @property
    def signal_s(self) -> float:
        return self.shapes[0].duration_s

    def motion(self, excitation: Excitation, times: Array) -> Array:
        """Values and three derivatives (4, n, channels) at times since the start of the task."""
        after = times - excitation.lead_s
        motion = np.stack([shape.motion(after) for shape in self.shapes], axis=2)
        motion[0] += [channel.centre for channel in excitation.channels]
        return motion


def excitation_of(robot: Robot) -> Excitation:
    """How the robot may be moved. Raises IdentificationError where nobody said."""
    if robot.excitation is None:
        raise IdentificationError(f"'{robot.name}' does not say how it may be moved: Robot.excitation is None")
    return robot.excitation()


def informative_s(excitation: Excitation) -> float:
    """Since when a flight tells something true: its start, or that of the signals where the model does not hold before."""
    return excitation.lead_s if excitation.usable else 0.0


def check_experiment(experiment: Experiment, robot: Robot) -> None:
    """Refuse an experiment that is not for this robot, or leaves the limits of its channels. Raises IdentificationError."""
    excitation = excitation_of(robot)
    if experiment.robot != robot.name:
        raise IdentificationError(f"the excitation is for '{experiment.robot}', not for '{robot.name}'")
    if len(experiment.shapes) != len(excitation.channels):
        names = ", ".join(channel.name for channel in excitation.channels)
        raise IdentificationError(f"the excitation has {len(experiment.shapes)} channels; '{robot.name}' has {names}")
    if len({shape.duration_s for shape in experiment.shapes}) != 1:
        raise IdentificationError("the excitation's channels differ in duration; they must be as long as each other")
    for channel, shape in zip(excitation.channels, experiment.shapes, strict=True):
        for what, used in channel_use(channel, shape).items():
            if used > 1 + 1e-9:
                taken = f"takes {100 * used:.0f} % of its limit of {what}"
                raise IdentificationError(f"the excitation of '{channel.name}' {taken}; at most 100 % is valid")


def channel_use(channel: Channel, shape: Shape) -> dict[str, float]:
    """Shares of the limits that a signal uses, by what is limited."""
    times = np.arange(0.0, shape.duration_s + _SAMPLE_S, _SAMPLE_S)
    peaks = np.abs(shape.motion(times)).max(axis=1)
    limits = (channel.amplitude, channel.rate, channel.acceleration)
    names = ("amplitude", "rate", "acceleration")
    return {name: float(peak / limit) for name, peak, limit in zip(names, peaks, limits, strict=False)}


def filling(channel: Channel, shape: Shape, share: float = 1.0) -> Shape:
    """The signal scaled to use this share of the limit that it meets first."""
    return shape.scaled(share / max(channel_use(channel, shape).values()))


def excitation_task(experiment: Experiment, robot: Robot) -> Task:
    """The task of the robot's excitation with the experiment's reference. Raises IdentificationError."""
    check_experiment(experiment, robot)
    excitation = excitation_of(robot)
    return replace(
        robot.tasks[excitation.task](),
        description="move so that the parameters of the model are seen",
        reference=lambda times: excitation.reference(times, experiment.motion(excitation, times)),
        duration_s=excitation.lead_s + experiment.signal_s + _SETTLE_S,
        settle_s=excitation.lead_s,
    )
