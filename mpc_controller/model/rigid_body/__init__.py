"""Rigid bodies from URDF or MJCF as CasADi expressions: kinematics, inverse and forward dynamics, derivatives."""

from mpc_controller.model.rigid_body.articulated_body import aba
from mpc_controller.model.rigid_body.forward_dynamics import ForwardDynamics, forward_dynamics
from mpc_controller.model.rigid_body.inverse_dynamics import rnea
from mpc_controller.model.rigid_body.kinematics import forward_kinematics, frame_placement, frame_velocity
from mpc_controller.model.rigid_body.loading import (
    from_pinocchio,
    load_mjcf,
    load_urdf,
    to_pinocchio_configuration,
)
from mpc_controller.model.rigid_body.mass_matrix import crba
from mpc_controller.model.rigid_body.rigid_body_dynamics import RigidBodyDynamics, nominal_parameters
from mpc_controller.model.rigid_body.rigid_body_model import WORLD, Frame, Joint, RigidBodyModel
from mpc_controller.model.rigid_body.spatial import Inertia, Placement

__all__ = [
    "WORLD",
    "ForwardDynamics",
    "Frame",
    "Inertia",
    "Joint",
    "Placement",
    "RigidBodyDynamics",
    "RigidBodyModel",
    "aba",
    "crba",
    "forward_dynamics",
    "forward_kinematics",
    "frame_placement",
    "frame_velocity",
    "from_pinocchio",
    "load_mjcf",
    "load_urdf",
    "nominal_parameters",
    "rnea",
    "to_pinocchio_configuration",
]
