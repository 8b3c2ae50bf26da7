"""From inertias that were found joint by joint to the bodies of a file, where several may hang on one joint."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mpc_controller.identification.export.changes import BodyInertia, JointChange, ModelChanges
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import InertialFit
from mpc_controller.identification.inverse_dynamics.inertial_parameters import SIZE, is_physical
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.rigid_body.carried_bodies import carried_bodies

_TERMS = {"damping": "viscous", "friction": "coulomb", "armature": "armature"}


def inertial_changes(fit: InertialFit, source: Path) -> ModelChanges:
    """For the MJCF or URDF file that the fit's model was read from.

    What is fixed to a joint's body (a hand, fingers) keeps its inertia, and the body itself takes what is left of the sum; it
    must be one that a body can have. Constant offsets of torques and friction that differs by direction have no place in
    either format; armature has none in URDF, and is left out there.
    """
    regressor = fit.regressor
    bodies, joints = {}, {}
    carried = carried_bodies(source)
    for i, joint in enumerate(regressor.model.joints):
        if joint.name not in carried:
            raise IdentificationError(f"{source}: no joint '{joint.name}'; there are {', '.join(carried)}")
        own = carried[joint.name].own(fit.values[SIZE * i : SIZE * (i + 1)])
        name = carried[joint.name].body
        if not is_physical(own):
            raise IdentificationError(
                f"body '{name}': without what is fixed to it, no mass distribution has the inertia that was found; "
                "make the fit physically consistent, with a narrower prior if it is"
            )
        bodies[name] = BodyInertia.about_origin(own)
        found = {what: _value(fit, f"{joint.name}.{term}") for what, term in _TERMS.items()}
        if source.suffix == ".urdf":
            found["armature"] = None
        if any(value is not None for value in found.values()):
            joints[joint.name] = JointChange(**found)
    return ModelChanges(bodies=bodies, joints=joints)


def _value(fit: InertialFit, name: str) -> float | None:
    names = fit.regressor.names
    return float(np.maximum(fit.values[names.index(name)], 0.0)) if name in names else None
