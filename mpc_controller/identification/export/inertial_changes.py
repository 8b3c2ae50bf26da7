"""From inertias that were found joint by joint to the bodies of a file, where several may hang on one joint."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mpc_controller.identification.export.changes import BodyInertia, JointChange, ModelChanges
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import InertialFit
from mpc_controller.identification.inverse_dynamics.inertial_parameters import SUFFIXES, is_physical
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.parameters import Parameters
from mpc_controller.model.rigid_body.carried_bodies import carried_bodies

_TERMS = {"damping": "viscous", "friction": "coulomb", "armature": "armature"}


def inertial_changes(fit: InertialFit, source: Path) -> ModelChanges:
    """For the MJCF or URDF file that the fit's model was read from; see `table_changes`."""
    return table_changes(fit.parameters, source)


def is_inertial(parameters: Parameters) -> bool:
    """Whether a table is of bodies, as InertialFit.parameters."""
    return any(f"{joint}.{suffix}" in parameters for joint in _joints(parameters) for suffix in SUFFIXES[1:])


def table_changes(parameters: Parameters, source: Path) -> ModelChanges:
    """From a table of inertias and friction of joints, as InertialFit.parameters, to a file with these joints.

    What is fixed to a joint's body (a hand, fingers) keeps its inertia, and the body itself takes what is left of the sum; it
    must be one that a body can have. Constant offsets of torques and friction that differs by direction have no place in
    either format; armature has none in URDF, and is left out there.
    """
    bodies, joints = {}, {}
    carried = carried_bodies(source)
    for joint in _joints(parameters):
        if joint not in carried:
            raise IdentificationError(f"{source}: no joint '{joint}'; there are {', '.join(carried)}")
        lacking = [f"{joint}.{suffix}" for suffix in SUFFIXES if f"{joint}.{suffix}" not in parameters]
        if lacking:
            raise IdentificationError(f"no parameter {', '.join(map(repr, lacking))}; a body has {', '.join(SUFFIXES)}")
        own = carried[joint].own(np.array([parameters[f"{joint}.{suffix}"].value for suffix in SUFFIXES]))
        name = carried[joint].body
        if not is_physical(own):
            raise IdentificationError(
                f"body '{name}': without what is fixed to it, no mass distribution has the inertia that was found; "
                "make the fit physically consistent, with a narrower prior if it is"
            )
        bodies[name] = BodyInertia.about_origin(own)
        found = {what: _value(parameters, f"{joint}.{term}") for what, term in _TERMS.items()}
        if source.suffix == ".urdf":
            found["armature"] = None
        if any(value is not None for value in found.values()):
            joints[joint] = JointChange(**found)
    return ModelChanges(bodies=bodies, joints=joints)


def _joints(parameters: Parameters) -> list[str]:
    """In the order of the table."""
    return [name.removesuffix(".mass") for name in parameters.names if name.endswith(".mass")]


def _value(parameters: Parameters, name: str) -> float | None:
    return float(np.maximum(parameters[name].value, 0.0)) if name in parameters else None
