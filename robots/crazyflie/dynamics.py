"""A quadrotor with brushed motors on a battery that sags."""

from __future__ import annotations

from pathlib import Path
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Manifold, quaternion_multiply
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.model.rotation import rotation_matrix

GRAVITY = 9.81  # m/s²
LEVER = 0.0325  # m, of a rotor about the roll and the pitch axis: the firmware's ARM_LENGTH, 0.046 m, by √2
# (J_y − J_z) / J_x and (J_z − J_x) / J_y of 16.57, 16.66 and 29.26 · 10⁻⁶ kg m² (Förster 2015).
ROLL_COUPLING, PITCH_COUPLING = -0.760, 0.762

# The names and units that the file must have; values and bounds are the file's own.
_EXPECTED = Parameters(
    (
        Parameter("thrust_linear", 1.0, "m/(s² V)"),
        Parameter("thrust_quadratic", 1.0, "m/(s² V²)"),
        Parameter("motor_time_constant", 1.0, "s"),
        Parameter("thrust_tilt_x", 0.0, "rad"),
        Parameter("thrust_tilt_y", 0.0, "rad"),
        Parameter("drag_xy", 0.0, "1/s"),
        Parameter("drag_z", 0.0, "1/s"),
        Parameter("roll_gain", 1.0, "rad/m"),
        Parameter("pitch_gain", 1.0, "rad/m"),
        Parameter("yaw_gain", 1.0, "rad/m"),
        Parameter("centre_of_mass_x", 0.0, "m"),
        Parameter("centre_of_mass_y", 0.0, "m"),
        Parameter("roll_damping", 0.0, "1/s"),
        Parameter("pitch_damping", 0.0, "1/s"),
        Parameter("yaw_damping", 0.0, "1/s"),
        Parameter("torque_by_velocity", 0.0, "rad/(m s)"),
    )
)


@final
class CrazyflieDynamics(Dynamics):
    """Rigid body under four propellers; motor i sees the voltage U_i, which follows PWM times battery voltage with a lag.

        U̇_i = (u_i V − U_i) / t_m                     a_i = (c₁ U_i + c₂ U_i²) / 4,    a = Σ a_i
        ṗ = v                                          v̇ = R(q) (a n − D w) − (0, 0, g),    w = R(q)ᵀ v
        q̇ = ½ q ⊗ (0, ω)                               ω̇ = K α − C ω + f (w_y, −w_x, 0) − J⁻¹ (ω × J ω)
        α = (Σ (η_i − y_c/l) a_i, −Σ (ξ_i − x_c/l) a_i, Σ s_i a_i)

    x = (p [m, world], q [w, x, y, z, body to world], v [m/s, world], ω [rad/s, body], U [V]);  u = (PWM u_i [0 to 1], battery
    voltage V [V]). a_i [m/s²] is a rotor's thrust by the mass. A flight shows neither thrust nor mass alone, nor torque and
    inertia, so K = diag(k_x, k_y, k_z) [rad/m] is mass times lever by inertia. Rotors at l (ξ_i, η_i) = l (1,−1), (−1,−1),
    (−1,1), (1,1), numbered as on the Crazyflie (front right, back right, back left, front left; x forward, y left), with
    reaction torques of sign s = (−, +, −, +). n = (φ_y, −φ_x, 1): the frame that the cameras see leans against the thrust.
    (x_c, y_c) stands in for rotors that are not alike, too. D = diag(d_xy, d_xy, d_z) is the rotors' drag; f its torque, which
    acts above the centre of mass, and that of flapping blades.

    p = (c₁, c₂, t_m, φ_x, φ_y, d_xy, d_z, k_x, k_y, k_z, x_c, y_c, C_x, C_y, C_z, f). Leaves out the ground's cushion (below
    0.3 m), the rotors' inertia and products of inertia. Where logged commands jitter by some milliseconds, as over a radio
    link, the controller that flew hides in C and K: a fit finds C too large and K too small. That predicts such flights well
    and is not what a controller should plan with. Sources: Förster 2015 (drag), Bitcraze's firmware (numbering, levers).
    """

    name = "crazyflie"
    state_names = (
        *("position_x", "position_y", "position_z"),
        *("quaternion_w", "quaternion_x", "quaternion_y", "quaternion_z"),
        *("velocity_x", "velocity_y", "velocity_z"),
        *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
        *("motor_voltage_1", "motor_voltage_2", "motor_voltage_3", "motor_voltage_4"),
    )
    state_units = ("m",) * 3 + ("",) * 4 + ("m/s",) * 3 + ("rad/s",) * 3 + ("V",) * 4
    control_names = ("pwm_1", "pwm_2", "pwm_3", "pwm_4", "battery_voltage")
    control_units = ("",) * 4 + ("V",)
    manifold = Manifold(17, quaternions=(3,))

    def __init__(self) -> None:
        self.parameters = load_parameters(Path(__file__).with_name("parameters.toml"), _EXPECTED)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        linear, quadratic, lag, tilt_x, tilt_y, drag_xy, drag_z = ca.vertsplit(p[:7])
        gain, centre_x, centre_y, damping, by_velocity = p[7:10], p[10] / LEVER, p[11] / LEVER, p[12:15], p[15]
        quaternion, velocity, omega, voltage = x[3:7], x[7:10], x[10:13], x[13:17]
        rotation = rotation_matrix(quaternion)
        through_air = rotation.T @ velocity
        thrust = (linear * voltage + quadratic * voltage**2) / 4
        total, (t1, t2, t3, t4) = ca.sum1(thrust), ca.vertsplit(thrust)
        force = total * ca.vertcat(tilt_y, -tilt_x, 1) - ca.vertcat(drag_xy, drag_xy, drag_z) * through_air
        lever = ca.vertcat(
            -t1 - t2 + t3 + t4 - centre_y * total,
            -t1 + t2 + t3 - t4 + centre_x * total,
            -t1 + t2 - t3 + t4,
        )
        gyroscopic = ca.vertcat(ROLL_COUPLING * omega[1] * omega[2], PITCH_COUPLING * omega[0] * omega[2], 0)
        flow = by_velocity * ca.vertcat(through_air[1], -through_air[0], 0)
        return ca.vertcat(
            velocity,
            *quaternion_multiply(ca.vertsplit(quaternion), [ca.SX(0), *ca.vertsplit(omega / 2)]),
            rotation @ force - ca.vertcat(0, 0, GRAVITY),
            gain * lever - damping * omega + flow + gyroscopic,
            (u[:4] * u[4] - voltage) / lag,
        )
