"""Where the model's parameters are in quadrotor.xml."""

from __future__ import annotations

from mpc_controller.identification.export.changes import BodyInertia, ModelChanges
from mpc_controller.model.parameters import Parameters
from robots.quadrotor.dynamics import GRAVITY

# By rotor number: signs of its place along x and y, and of its reaction torque.
_ROTORS = {1: (1, -1, -1), 2: (-1, -1, 1), 3: (-1, 1, -1), 4: (1, 1, 1)}
_HEIGHT = 0.018  # m, of the discs that are drawn


def mjcf_changes(parameters: Parameters) -> ModelChanges:
    """Mass and inertias, rotors' places and reaction torques, motor lag, and the thrusts that hover in the keyframe.

    Drag is kept as a number: a free joint's damping would brake turning, too. The simulator has it as `linear_drag`.
    """
    p = parameters.as_dict()
    lever, hover = p["arm"] / 2**0.5, [p["mass"] * GRAVITY / 4] * 4
    elements: dict[tuple[str, str], dict[str, list[float]]] = {("key", "hover"): {"act": hover, "ctrl": hover}}
    for rotor, (x, y, turn) in _ROTORS.items():
        elements["site", f"rotor_{rotor}"] = {"pos": [x * lever, y * lever, 0.0]}
        elements["geom", f"rotor_{rotor}"] = {"pos": [x * lever, y * lever, _HEIGHT]}
        elements["general", f"thrust_command_{rotor}"] = {
            "gear": [0.0, 0.0, 1.0, 0.0, 0.0, turn * p["torque_per_thrust"]],
            "dynprm": [p["motor_time_constant"]],
        }
    inertia = BodyInertia.of(p["mass"], (0, 0, 0), [p[f"inertia_{axis}"] for axis in "xyz"])
    return ModelChanges(bodies={"quadrotor": inertia}, elements=elements, numbers={"drag": p["drag"]})
