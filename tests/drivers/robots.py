"""Small robots for the drivers: joints that are commanded by torques, angles or rates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import casadi as ca
import numpy as np

from mpc_controller.model.dynamics import DisturbedDynamics, Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.robot import Robot
from mpc_controller.toml_table import TomlTable
from tests.control.machines import task


class JointsDynamics(Dynamics):
    """Independent joints: J q̈ = u [N m], or a first-order lag to the angle or rate that is commanded."""

    parameters = Parameters((Parameter("inertia", 0.05, "kg m²", 0.01, 1.0),))

    def __init__(self, count: int, unit: str) -> None:
        self.name = f"joints-{unit}"
        self.state_names = tuple(f"{kind}_{k}" for kind in ("angle", "rate") for k in range(1, count + 1))
        self.state_units = ("rad",) * count + ("rad/s",) * count
        self.control_names, self.control_units = tuple(f"command_{k}" for k in range(1, count + 1)), (unit,) * count
        self.manifold = Euclidean(2 * count)
        self._count, self._unit = count, unit

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        angles, rates = x[: self._count], x[self._count :]
        wanted = {"N m": u / p[0], "rad": 400 * (u - angles) - 40 * rates, "rad/s": 20 * (u - rates)}
        return ca.vertcat(rates, wanted[self._unit])


def joints(count: int, unit: str, rate_hz: float = 100.0) -> Robot:
    """Measured are all angles, then all rates."""
    dynamics = DisturbedDynamics(JointsDynamics(count, unit), tuple(f"rate_{k}" for k in range(1, count + 1)))
    return Robot(
        name="joints",
        description="joints for tests",
        dynamics=dynamics,
        measured=dynamics.state_names,
        control_lower=np.full(count, -3.0),
        control_upper=np.full(count, 3.0),
        control_slew=np.full(count, 300.0),
        neutral=np.zeros(count),
        plant_rate_hz=rate_hz,
        control_rate_hz=rate_hz / 2,
        mjcf=Path("joints.xml"),
        tasks={"rest": task},
        default_task="rest",
        hold=lambda x, planned: planned[:count] if unit == "rad" else -0.5 * x[count:],
        measurement_std=np.full(2 * count, 1e-3),
        process_std=np.full(2 * count, 1e-3),
        disturbance_std=np.full(count, 0.5),
    )


def driver_table(folder: Path, text: str) -> TomlTable:
    """The table [driver] with these lines."""
    path = folder / "driver.toml"
    path.write_text(f"[driver]\n{text}\n")
    table = TomlTable.read(path).table("driver")
    table.text("kind", None)
    return table


def with_defaults(keys: str, defaults: Mapping[str, float]) -> str:
    """Keys of a driver's file, after those of the defaults that are not among them."""
    return "".join(f"{key} = {value}\n" for key, value in defaults.items() if key not in keys) + keys
