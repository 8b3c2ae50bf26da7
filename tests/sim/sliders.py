"""Two small robots with closed forms: a mass on two rails, and a free ball with quaternion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import DisturbedDynamics, Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Manifold, quaternion_multiply
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.problem.constraint import Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.robot import MjcfAdapter, Robot, Task

MASS = 2.0
DAMPING = 0.4
SLIDER_XML = f"""
<mujoco>
  <option timestep="0.001" gravity="0 0 0"><flag contact="disable"/></option>
  <worldbody>
    <body>
      <joint name="x" type="slide" axis="1 0 0" damping="{DAMPING}"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <inertial pos="0 0 0" mass="{MASS}" diaginertia="1 1 1"/>
    </body>
  </worldbody>
  <actuator><motor joint="x"/><motor joint="y"/></actuator>
</mujoco>
"""
BALL_XML = """
<mujoco>
  <option timestep="0.001" gravity="0 0 0"/>
  <worldbody>
    <body><freejoint/><inertial pos="0 0 0" mass="2" diaginertia="0.1 0.1 0.1"/></body>
  </worldbody>
</mujoco>
"""


@final
class SliderDynamics(Dynamics):
    """m ẍ = u_x − d ẋ,  m ÿ = u_y."""

    name = "slider"
    state_names, state_units = ("x", "y", "x_dot", "y_dot"), ("m", "m", "m/s", "m/s")
    control_names, control_units = ("force_x", "force_y"), ("N", "N")
    manifold = Manifold(4)
    parameters = Parameters((Parameter("mass", MASS, "kg"), Parameter("damping", DAMPING, "N s/m")))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[2], x[3], (u[0] - p[1] * x[2]) / p[0], u[1] / p[0])


@final
class BallDynamics(Dynamics):
    """A body without forces."""

    name = "ball"
    state_names = ("px", "py", "pz", "qw", "qx", "qy", "qz", "vx", "vy", "vz", "wx", "wy", "wz")
    state_units = ("m",) * 3 + ("",) * 4 + ("m/s",) * 3 + ("rad/s",) * 3
    control_names: tuple[str, ...] = ()
    control_units: tuple[str, ...] = ()
    manifold = Manifold(13, quaternions=(3,))
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        turn = quaternion_multiply(ca.vertsplit(x[3:7]), [ca.SX(0), *ca.vertsplit(x[10:13] / 2)])
        return ca.vertcat(x[7:10], *turn, ca.SX.zeros(6))


def slider(
    folder: Path,
    xml: str = SLIDER_XML,
    noise: float = 0.0,
    adapter: MjcfAdapter | None = None,
    errors: Callable[[Array, Array], dict[str, float]] | None = None,
) -> Robot:
    """The mass on rails, measured everywhere with standard deviation `noise`."""
    return _robot(folder, SliderDynamics(), xml, np.full(4, noise), {"track": lambda: track_task(errors)}, adapter)


def ball(folder: Path, noise: float) -> Robot:
    return _robot(folder, BallDynamics(), BALL_XML, np.full(12, noise), {}, None)


def track_task(errors: Callable[[Array, Array], dict[str, float]] | None = None) -> Task:
    """Be at (x, y) = reference; the x rail ends, softly, at ±1 m."""
    dynamics = SliderDynamics()
    problem = OptimalControlProblem(
        name="slider",
        dynamics=dynamics,
        integrator=RungeKutta4(),
        grid=(0.1,) * 5,
        path_costs=(LeastSquares("position", lambda s: s.x[:2] - s.reference, (1.0, 1.0)),),
        path_constraints=(
            control_bounds((-4.0, -4.0), (4.0, 8.0)),
            state_bounds((0,), (-1.0,), (1.0,), "rail", Soft(1.0, 1.0)),
        ),
        reference_names=("x", "y"),
    )
    return Task(
        name="track",
        description="be somewhere",
        problem=problem,
        reference=lambda times: np.zeros((len(times), 2)),
        errors=errors or (lambda x, r: {"position_m": float(np.hypot(*(x[:2] - r)))}),
        initial_state=np.zeros(4),
        duration_s=2.0,
        settle_s=0.5,
    )


def _robot(folder: Path, dynamics: Dynamics, xml: str, std: Array, tasks: dict[str, Callable[[], Task]], adapter) -> Robot:  # type: ignore[no-untyped-def]
    path = folder / f"{dynamics.name}.xml"
    path.write_text(xml)
    nu = dynamics.nu
    return Robot(
        name=dynamics.name,
        description=dynamics.name,
        dynamics=DisturbedDynamics(dynamics, ()),
        measured=dynamics.state_names,
        control_lower=np.full(nu, -4.0),
        control_upper=np.array([4.0, 8.0])[:nu],
        control_slew=np.full(nu, 1e3),
        neutral=np.zeros(nu),
        plant_rate_hz=500.0,
        control_rate_hz=100.0,
        mjcf=path,
        tasks=tasks,
        default_task="track",
        hold=lambda state, planned: np.zeros(nu),
        measurement_std=std,
        process_std=np.ones(dynamics.manifold.ndx),
        disturbance_std=np.zeros(0),
        mjcf_adapter=adapter,
    )
