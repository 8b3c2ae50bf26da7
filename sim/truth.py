"""What the simulated plant has and the model has not. A simulator that equals the model proves nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, final

# Valid ranges, both ends included: wide enough for any robot, narrow enough to catch a wrong unit.
_RANGES = {
    "mass_scale": (0.1, 10.0),
    "inertia_scale": (0.1, 10.0),
    "linear_drag": (0.0, 1000.0),
    "joint_damping_scale": (0.0, 100.0),
    "joint_friction_scale": (0.0, 100.0),
    "actuator_gain_scale": (0.1, 10.0),
    "actuator_delay_s": (0.0, 1.0),
    "observation_delay_s": (0.0, 1.0),
    "noise_scale": (0.0, 100.0),
    "rotor_drag": (0.0, 10.0),
    "thrust_loss": (0.0, 10.0),
    "ground_effect_radius": (0.0, 10.0),
    "motor_lag_scale": (0.1, 10.0),
    "spin_down_scale": (0.1, 10.0),
    "stribeck_coulomb": (0.0, 100.0),
    "stribeck_static": (0.0, 100.0),
    "stribeck_speed": (1e-4, 10.0),
    "joint_stiffness": (0.0, 1e5),
    "joint_spring_damping": (0.0, 10.0),
}
_PARAMETER_SCALES = (0.1, 10.0)


@final
@dataclass(frozen=True)
class SimTruth:
    """How the plant differs from its MJCF; the table `[sim.truth]` of a launch file has the same keys.

    mass_scale: factor on mass and inertia of all bodies; gravity stays. inertia_scale: a further factor on their inertia about
    their own centres alone: the same mass, further out.
    linear_drag [N s/m]: force −c v on the base body, v its velocity in the world frame, for bases that translate.
    joint_damping_scale, joint_friction_scale: factors on the joints' damping and friction loss.
    actuator_gain_scale: factor on the force that every actuator gives for its command.
    actuator_delay_s, observation_delay_s: dead times, rounded to steps of the simulation.
    noise_scale: factor on Robot.measurement_std, the standard deviation of Gaussian noise in the tangent space.
    parameter_scale: factors, by name, on the model parameters that a robot's own force law sees (Robot.mjcf_adapter), for
    example a car's tyres. They do not change the MJCF, as mass_scale does not change the law's parameters.

    What no parameters of a model stand for, of flying bodies with rotors (formulas: sim/rotors.py): rotor_drag [√N s/m], by the
    root of a rotor's thrust and its speed across its axis; thrust_loss [N s²/m²], by the square of its advance ratio;
    ground_effect_radius [m], of the rotor that the ground would cushion as the whole; motor_lag_scale, factor on the motors'
    time constants, and spin_down_scale, a further one while they slow down. Of driven joints (sim/gears.py): stribeck_static,
    stribeck_coulomb [N m], dry friction at rest and in motion, and stribeck_speed [rad/s], between them; joint_stiffness
    [N m/rad], of a spring between every motor and its joint (0: rigid), and joint_spring_damping, of critical, of the motors.
    """

    mass_scale: float = 1.0
    linear_drag: float = 0.0
    joint_damping_scale: float = 1.0
    joint_friction_scale: float = 1.0
    actuator_gain_scale: float = 1.0
    actuator_delay_s: float = 0.0
    observation_delay_s: float = 0.0
    noise_scale: float = 1.0
    parameter_scale: Mapping[str, float] = field(default_factory=dict)
    inertia_scale: float = 1.0
    rotor_drag: float = 0.0
    thrust_loss: float = 0.0
    ground_effect_radius: float = 0.0
    motor_lag_scale: float = 1.0
    spin_down_scale: float = 1.0
    stribeck_coulomb: float = 0.0
    stribeck_static: float = 0.0
    stribeck_speed: float = 0.05
    joint_stiffness: float = 0.0
    joint_spring_damping: float = 0.1

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            _check(name, getattr(self, name), low, high)
        if not isinstance(self.parameter_scale, Mapping):
            raise ValueError(f"sim.truth: 'parameter_scale' is {self.parameter_scale!r}; it must be a table of numbers")
        for name, value in self.parameter_scale.items():
            _check(f"parameter_scale.{name}", value, *_PARAMETER_SCALES)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The truth that a TOML table gives; ValueError names the key, what was given and what would be valid."""
        valid = [f.name for f in dataclasses.fields(cls)]
        for key in table:
            if key not in valid:
                raise ValueError(f"sim.truth: unknown key '{key}'; valid are {', '.join(valid)}")
        return cls(**table)


def _check(name: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and low <= value <= high):  # type: ignore[operator, arg-type]
        raise ValueError(f"sim.truth: '{name}' is {value!r}; it must be a number in [{low:g}, {high:g}]")
