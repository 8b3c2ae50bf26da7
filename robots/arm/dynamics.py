"""The arm's rigid bodies, driven by a torque at every joint."""

from __future__ import annotations

from pathlib import Path

from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.rigid_body import RigidBodyDynamics, load_mjcf, nominal_parameters

MJCF = Path(__file__).with_name("arm.xml")
TOOL = "tool"  # between the fingertips


def arm_dynamics() -> RigidBodyDynamics:
    """x = (7 angles [rad], 7 rates [rad/s]); u = 7 torques at the joints [N m].

    Leaves out dry friction (about 1 N m a joint on the real arm), the elasticity of the gears and the joints' stops.
    """
    model = load_mjcf(MJCF)
    parameters = load_parameters(Path(__file__).with_name("parameters.toml"), nominal_parameters(model, TOOL))
    return RigidBodyDynamics(model, payload_frame=TOOL, parameters=parameters)
