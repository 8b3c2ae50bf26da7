"""From logs of a rigid-body tree to the inertias of all its bodies: the path of `mpc identify --method inertial`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.filtering import Filtering
from mpc_controller.identification.inverse_dynamics.inertial_data import inertial_data
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import (
    InertialFit,
    InertialLeastSquares,
    relative_errors,
)
from mpc_controller.identification.inverse_dynamics.physical_consistency import PhysicalPrior, physically_consistent
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from mpc_controller.model.parameters import Parameters
from mpc_controller.model.rigid_body import RigidBodyDynamics
from mpc_controller.model.rigid_body.carried_bodies import carried_bodies

KINDS = ("nominal", "least squares", "consistent")


@final
@dataclass(frozen=True)
class InertialIdentification:
    """least_squares: what the data alone say, exact in the base parameters only. consistent: bodies, with the prior.

    errors: of "fitted" logs, and of "validation" ones where there are some, and of each of KINDS: every joint's torque error
    over its torque (nv,). samples: of the regression, after filtering. parameters: of `consistent`, with provenance.
    """

    structure: ModelStructure
    least_squares: InertialFit
    consistent: InertialFit
    prior: PhysicalPrior
    errors: Mapping[str, Mapping[str, Array]]
    parameters: Parameters
    notes: tuple[str, ...]


def identify_inertias(
    structure: ModelStructure,
    logs: Sequence[Log],
    validation: Sequence[Log] = (),
    source: Path | None = None,
    prior: PhysicalPrior | None = None,
    filtering: Filtering | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> InertialIdentification:
    """Least squares on the torques of `logs`, then the nearest bodies to the model's own that explain them as well.

    source: the MJCF or URDF file of the model; what it has fixed to bodies that joints carry is taken as known. Raises
    IdentificationError, CompilerError.
    """
    dynamics, prior = rigid_bodies(structure), prior or PhysicalPrior()
    if not logs:
        raise IdentificationError(f"{structure.name}: no log to fit to")
    progress("reading motions")
    data = {
        role: inertial_data(structure, some, filtering) for role, some in (("fitted", logs), ("validation", validation)) if some
    }
    model = dynamics.model_at(ca.SX(ca.DM(dynamics.parameters.values)))
    problem = InertialLeastSquares(model, report=progress)
    progress("least squares on the torques")
    plain = problem.fit(data["fitted"])
    progress("physically consistent inertias")
    consistent = physically_consistent(plain, prior, None if source is None else _fixed(source, plain))
    thetas = (problem.regressor.nominal, plain.values, consistent.values)
    errors = {
        role: dict(zip(KINDS, relative_errors(problem.regressor, pieces, thetas), strict=True)) for role, pieces in data.items()
    }
    notes = (*consistent.notes, *(f"{log.name}: {note}" for log in (*logs, *validation) for note in log.notes))
    provenance = _provenance(plain, consistent, prior, errors, logs, validation)
    table = replace(consistent.parameters, provenance=provenance)
    return InertialIdentification(structure, plain, consistent, prior, errors, table, notes)


def rigid_bodies(structure: ModelStructure) -> RigidBodyDynamics:
    """The structure's model as a tree of rigid bodies; IdentificationError for another."""
    if not isinstance(structure.dynamics, RigidBodyDynamics):
        raise IdentificationError(f"{structure.name}: its model is no tree of rigid bodies, so there are no inertias to find")
    return structure.dynamics


def _fixed(source: Path, fit: InertialFit) -> Array:
    """(10 bodies,) of what the file has fixed to the bodies of joints."""
    carried = carried_bodies(source)
    return np.concatenate([carried[joint.name].fixed for joint in fit.regressor.model.joints])


def _provenance(
    plain: InertialFit,
    consistent: InertialFit,
    prior: PhysicalPrior,
    errors: Mapping[str, Mapping[str, Array]],
    logs: Sequence[Log],
    validation: Sequence[Log],
) -> dict[str, Any]:
    """Who made the values, from what, how well they explain it; and what the data alone say."""
    files = {
        role: [f"{log.path.name if log.path else log.name} sha256:{log.digest}" for log in some]
        for role, some in (("logs", logs), ("validation_logs", validation))
    }
    joints = [joint.name for joint in plain.regressor.model.joints]
    return {
        "method": consistent.method,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "model": plain.regressor.model.name,
        **files,
        "prior": {"inertia_std": prior.inertia_std, "joint_std": prior.joint_std},
        "relative_torque_error": {
            role: {kind: [round(float(e), 6) for e in values if np.isfinite(e)] for kind, values in kinds.items()}
            for role, kinds in errors.items()
        },
        "joints": joints,
        "base_parameters": [
            {"combination": name, "value": float(value), "half_width": float(half)}
            for name, value, half in zip(plain.base.names, plain.base_values, plain.base_half_width, strict=True)
        ],
        "notes": list(consistent.notes),
    }
