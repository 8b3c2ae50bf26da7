"""Two links in a vertical plane, in the fewest parameters that their motion shows, with friction in the drives."""

from __future__ import annotations

from pathlib import Path
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.parameters import Parameter, Parameters

# The names and units that the file must have; values and bounds are the file's own.
_EXPECTED = Parameters(
    (
        Parameter("inertia_1", 1.0, "kg m²"),
        Parameter("inertia_2", 1.0, "kg m²"),
        Parameter("armature_2", 0.0, "kg m²"),
        Parameter("coupling", 0.0, "kg m²"),
        Parameter("gravity_1", 0.0, "N m"),
        Parameter("gravity_2", 0.0, "N m"),
        Parameter("viscous_1", 0.0, "N m s/rad"),
        Parameter("viscous_2", 0.0, "N m s/rad"),
        Parameter("coulomb_1", 0.0, "N m"),
        Parameter("coulomb_2", 0.0, "N m"),
        Parameter("torque_gain_2", 1.0, ""),
        Parameter("stiction_rate", 1.0, "rad/s"),
    )
)


@final
class DoublePendulumDynamics(Dynamics):
    """Planar double pendulum, q_1 of the first link from hanging, q_2 of the second relative to the first.

        [J_1 + J_2 + 2 a c₂   J_2 + a c₂] [q̈_1]   [−a s₂ (2 q̇_1 + q̇_2) q̇_2]   [G_1 s₁ + G_2 s₁₂]   [  τ_1]   [F_1]
        [J_2 + a c₂           J_2 + A_2 ] [q̈_2] + [ a s₂ q̇_1²              ] + [G_2 s₁₂         ] = [κ τ_2] − [F_2]   [N m]

        F_i = b_i q̇_i + c_i tanh(q̇_i / ω_s),   s₁₂ = sin(q_1 + q_2)

    x = (q_1, q_2 [rad], q̇_1, q̇_2 [rad/s]);  u = (τ_1, τ_2 [N m]). p, with masses m_i, lengths l_i, centres of mass r_i,
    inertias I_i about the joints: J_1 = I_1 + m_2 l_1² + rotor of joint 1, J_2 = I_2, A_2 the rotor of joint 2 seen through its
    gear, a = m_2 l_1 r_2, G_1 = (m_1 r_1 + m_2 l_1) g, G_2 = m_2 r_2 g, b_i, c_i, κ, ω_s. κ is how much more torque drive 2
    gives than drive 1 for the same command; what both give too much or too little scales all other parameters and is not seen.
    Leaves out that a geared rotor of joint 2 also turns with link 1 (its inertia over the gear ratio), elasticity, and
    friction that grows with the load.
    """

    name = "double_pendulum"
    state_names = ("angle_1", "angle_2", "rate_1", "rate_2")
    state_units = ("rad", "rad", "rad/s", "rad/s")
    control_names = ("torque_1", "torque_2")
    control_units = ("N m", "N m")
    manifold = Euclidean(4)

    def __init__(self) -> None:
        self.parameters = load_parameters(Path(__file__).with_name("parameters.toml"), _EXPECTED)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        q1, q2, w1, w2 = ca.vertsplit(x)
        k = self.parameters.unpack(p)
        gravity_2 = k["gravity_2"] * ca.sin(q1 + q2)
        M = self.mass_matrix(x, p)
        M11, M12, M22 = M[0, 0], M[0, 1], M[1, 1]
        centrifugal = k["coupling"] * ca.sin(q2)
        friction_1 = k["viscous_1"] * w1 + k["coulomb_1"] * ca.tanh(w1 / k["stiction_rate"])
        friction_2 = k["viscous_2"] * w2 + k["coulomb_2"] * ca.tanh(w2 / k["stiction_rate"])
        torque_1 = u[0] + centrifugal * (2 * w1 + w2) * w2 - k["gravity_1"] * ca.sin(q1) - gravity_2 - friction_1
        torque_2 = k["torque_gain_2"] * u[1] - centrifugal * w1**2 - gravity_2 - friction_2
        determinant = M11 * M22 - M12**2
        return ca.vertcat(
            w1,
            w2,
            (M22 * torque_1 - M12 * torque_2) / determinant,
            (M11 * torque_2 - M12 * torque_1) / determinant,
        )

    def mass_matrix(self, x: ca.SX, p: ca.SX) -> ca.SX:
        """M(q) (2, 2) [kg m²]."""
        k = self.parameters.unpack(p)
        a = k["coupling"] * ca.cos(x[1])
        M12, M22 = k["inertia_2"] + a, k["inertia_2"] + k["armature_2"]
        return ca.vertcat(ca.horzcat(k["inertia_1"] + k["inertia_2"] + 2 * a, M12), ca.horzcat(M12, M22))
