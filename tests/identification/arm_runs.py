"""Excitation runs of the simulated arm, with a truth that its model does not know; and logs as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import ModelStructure
from robots import load_robot
from robots.arm.numeric import NumericArm
from robots.arm.tasks import TORQUE_LIMIT
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.identification.arms import motion

PERIOD = 0.002
_STIFFNESS = np.array([600.0, 600.0, 600.0, 600.0, 250.0, 150.0, 50.0])  # N m/rad, N m s/rad: as of the arm's own hold
_DAMPING = np.array([50.0, 50.0, 50.0, 50.0, 30.0, 25.0, 15.0])


def arm_run(seed: int, samples: int = 5000, truth: SimTruth | None = None) -> Log:
    """A multisine that a joint impedance follows, 500 samples a second, with the plant's sensor noise."""
    robot, arm = load_robot("arm"), NumericArm()
    q, v, _ = motion(samples, np.random.default_rng(seed), speed=2.0)
    plant = MujocoPlant(robot, np.concatenate([q[0], v[0]]), truth or SimTruth(), seed, PERIOD)
    measured, controls = np.zeros((samples, 14)), np.zeros((samples, 7))
    for k in range(samples):
        measured[k] = plant.read()[0]
        angles, rates = measured[k, :7], measured[k, 7:]
        torque = arm.gravity_torque(q[k]) + _STIFFNESS * (q[k] - angles) + _DAMPING * (v[k] - rates)
        controls[k] = np.clip(torque, -TORQUE_LIMIT, TORQUE_LIMIT)
        plant.apply(controls[k])
    assert not plant.failure
    return whole(f"arm-{seed}", PERIOD * np.arange(samples), measured, controls)


def write_runs(structure: ModelStructure, logs: Sequence[Log], folder: Path) -> None:
    """As CSV files called after the logs, and `log.toml`, their mapping."""
    dynamics = structure.dynamics
    units = dict(zip(dynamics.state_names, dynamics.state_units, strict=True))
    controls = dict(zip(dynamics.control_names, dynamics.control_units, strict=True))
    lines = ["[time]", 'column = "t"', 'unit = "s"', "[measured]"]
    quaternion = [name for name in structure.measured if name.startswith("quaternion_")]
    scalars = [name for name in structure.measured if name not in quaternion]
    lines += [f'{name} = {{ column = "{name}", unit = "{units[name]}" }}' for name in scalars]
    if quaternion:
        lines += ["[measured.quaternion]", f"columns = {quaternion}", 'order = "wxyz"', 'direction = "body-to-world"']
    lines += ["[controls]", *(f'{name} = {{ column = "{name}", unit = "{unit}" }}' for name, unit in controls.items())]
    (folder / "log.toml").write_text("\n".join(lines) + "\n")
    header = ",".join(("t", *structure.measured, *controls))
    for log in logs:
        table: Array = np.column_stack([log.times, log.measured, log.controls])
        np.savetxt(folder / f"{log.name}.csv", table, delimiter=",", header=header, comments="", fmt="%.9g")
