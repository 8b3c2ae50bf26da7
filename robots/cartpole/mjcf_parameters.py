"""Where the model's parameters are in cartpole.xml."""

from __future__ import annotations

from mpc_controller.identification.export.changes import BodyInertia, JointChange, ModelChanges
from mpc_controller.model.parameters import Parameters

# kg m², of the file: moments that no motion in the plane shows.
_CART = (0.002, 0.002, 0.002)
_POLE_ABOUT_ITSELF = 0.0001


def mjcf_changes(parameters: Parameters) -> ModelChanges:
    """Masses, the pole's centre and inertia, friction of rail and hinge."""
    p = parameters.as_dict()
    pole = (p["pole_inertia"], p["pole_inertia"], min(_POLE_ABOUT_ITSELF, p["pole_inertia"]))
    return ModelChanges(
        bodies={
            "cart": BodyInertia.of(p["cart_mass"], (0, 0, 0), _CART),
            "pole": BodyInertia.of(p["pole_mass"], (0, 0, p["pole_centre"]), pole),
        },
        joints={"position": JointChange(damping=p["cart_damping"]), "angle": JointChange(damping=p["pole_damping"])},
    )
