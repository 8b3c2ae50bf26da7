"""Where the model's parameters are in arm.xml."""

from __future__ import annotations

from mpc_controller.identification.export.changes import JointChange, ModelChanges
from mpc_controller.identification.export.mjcf import mjcf_inertia
from mpc_controller.model.parameters import Parameters
from robots.arm.dynamics import MJCF

_TOOL_IN_HAND = (0.0, 0.0, 0.1034)  # m, of the file's site


def mjcf_changes(parameters: Parameters) -> ModelChanges:
    """Friction of the joints, and the payload as part of the hand."""
    p = parameters.as_dict()
    prefix = "damping."
    joints = {n.removeprefix(prefix): JointChange(damping=v) for n, v in p.items() if n.startswith(prefix)}
    hand = mjcf_inertia(MJCF, "hand").with_point(p["payload_mass"], _TOOL_IN_HAND)
    return ModelChanges(bodies={"hand": hand}, joints=joints)
