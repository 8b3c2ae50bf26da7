#pragma once

#include <array>

#include "mpc_plant/manifold.hpp"
#include "mpc_plant/vector.hpp"

namespace quadrotor {

using State = std::array<double, 17>;  // p [m], q (w, x, y, z), v [m/s], ω [rad/s, body], T [N]
using Thrusts = std::array<double, 4>;

/// The nominal values of robots/quadrotor/parameters.toml.
struct Parameters {
    double mass = 0.027;                                                            // kg
    double inertia_x = 1.66e-05, inertia_y = 1.67e-05, inertia_z = 2.93e-05;        // kg m²
    double arm = 0.046, torque_per_thrust = 0.006;                                  // m
    double motor_time_constant = 0.05;                                              // s
    double drag = 0.0;                                                              // N s/m
};

/// The equations of robots/quadrotor/dynamics.py:
///
///     ṗ = v                                   v̇ = (R(q) (0, 0, Σ T_i) − c v) / m − (0, 0, g)
///     q̇ = ½ q ⊗ (0, ω)                        J ω̇ = τ − ω × J ω
///     Ṫ_i = (u_i − T_i) / t_m                 τ = (Σ y_i T_i, −Σ x_i T_i, κ Σ s_i T_i)
State derivative(const State& x, const Thrusts& u, const Parameters& p);

/// One step of the classic Runge-Kutta method; the quaternion is scaled back to unit length.
State step(const State& x, const Thrusts& u, const Parameters& p, double dt);

/// The law of robots/quadrotor/hold.py: hover level at the position and heading that were planned.
class HoverLaw {
public:
    explicit HoverLaw(const Parameters& p);

    /// (17), (17) → thrusts (4).
    mpc_plant::Vector operator()(const mpc_plant::Vector& state, const mpc_plant::Vector& planned) const;

private:
    double hover_thrust_;
    std::array<std::array<double, 12>, 4> gain_{};  // of errors in position, rotation vector, velocity, angular velocity
};

}  // namespace quadrotor
