"""Where the model's parameters are in car.xml."""

from __future__ import annotations

from mpc_controller.identification.export.changes import BodyInertia, ModelChanges
from mpc_controller.model.parameters import Parameters

# Shares of the file's moments about x and y in that about z: what no motion in the plane shows.
_ROLL, _PITCH = 0.031 / 0.04712, 0.07 / 0.04712
# The tyres' law (mjcf_adapter.py) reads these; for most of them MJCF has no element.
_OF_THE_LAW = (
    *("mass", "front_axle", "rear_axle", "friction"),
    *("front_stiffness", "rear_stiffness", "tyre_shape", "slip_speed"),
)


def mjcf_changes(parameters: Parameters) -> ModelChanges:
    """Mass, yaw inertia and the place where the drive's force acts; what the law of the tyres reads, as numbers."""
    p = parameters.as_dict()
    yaw = p["yaw_inertia"]
    return ModelChanges(
        bodies={"chassis": BodyInertia.of(p["mass"], (0, 0, 0), (_ROLL * yaw, _PITCH * yaw, yaw))},
        elements={("site", "rear_axle"): {"pos": [-p["rear_axle"], 0.0, 0.0]}},
        numbers={name: p[name] for name in _OF_THE_LAW},
    )
