#include "quadrotor_model.hpp"

#include <algorithm>
#include <cmath>

namespace quadrotor {
namespace {

using mpc_plant::clamped;
using mpc_plant::Vector;

constexpr double gravity = 9.81;       // m/s²
constexpr double thrust_limit = 0.15;  // N
// Errors beyond these are taken as these [m, m/s]: along one axis they ask for a lean of 0.08 and 0.4 rad.
constexpr double largest_position_error = 0.5, largest_velocity_error = 2.0;

// Of the sums Σ T, Σ y T, −Σ x T, Σ s T: front right, back right, back left, front left.
constexpr int signs[4][4] = {{1, 1, 1, 1}, {-1, -1, 1, 1}, {-1, 1, 1, -1}, {-1, 1, -1, 1}};

State moved(const State& x, double dt, const State& rate) {
    State result = x;
    for (std::size_t i = 0; i < x.size(); ++i) result[i] += dt * rate[i];
    return result;
}

double heading(const Vector& x) { return std::atan2(2 * (x[3] * x[6] + x[4] * x[5]), 1 - 2 * (x[5] * x[5] + x[6] * x[6])); }

}  // namespace

State derivative(const State& x, const Thrusts& u, const Parameters& p) {
    double sums[4];
    for (int row = 0; row < 4; ++row) {
        sums[row] = signs[row][0] * x[13] + signs[row][1] * x[14] + signs[row][2] * x[15] + signs[row][3] * x[16];
    }
    const double lever = p.arm / std::sqrt(2.0);
    const double torque[3] = {lever * sums[1], lever * sums[2], p.torque_per_thrust * sums[3]};
    const double w = x[3], qx = x[4], qy = x[5], qz = x[6];
    const double z_axis[3] = {2 * (qx * qz + w * qy), 2 * (qy * qz - w * qx), 1 - 2 * (qx * qx + qy * qy)};
    const double wx = x[10], wy = x[11], wz = x[12];
    const mpc_plant::Quaternion turn = mpc_plant::multiply({w, qx, qy, qz}, {0, wx / 2, wy / 2, wz / 2});

    State rate{};
    for (std::size_t i = 0; i < 3; ++i) {
        rate[i] = x[7 + i];
        rate[7 + i] = (z_axis[i] * sums[0] - p.drag * x[7 + i]) / p.mass;
    }
    rate[9] -= gravity;
    std::copy(turn.begin(), turn.end(), rate.begin() + 3);
    rate[10] = (torque[0] - (wy * p.inertia_z * wz - wz * p.inertia_y * wy)) / p.inertia_x;
    rate[11] = (torque[1] - (wz * p.inertia_x * wx - wx * p.inertia_z * wz)) / p.inertia_y;
    rate[12] = (torque[2] - (wx * p.inertia_y * wy - wy * p.inertia_x * wx)) / p.inertia_z;
    for (std::size_t i = 0; i < 4; ++i) rate[13 + i] = (u[i] - x[13 + i]) / p.motor_time_constant;
    return rate;
}

State step(const State& x, const Thrusts& u, const Parameters& p, double dt) {
    const State k1 = derivative(x, u, p);
    const State k2 = derivative(moved(x, dt / 2, k1), u, p);
    const State k3 = derivative(moved(x, dt / 2, k2), u, p);
    const State k4 = derivative(moved(x, dt, k3), u, p);
    State result = x;
    for (std::size_t i = 0; i < x.size(); ++i) result[i] += dt / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
    double square = 0;
    for (std::size_t i = 3; i < 7; ++i) square += result[i] * result[i];
    for (std::size_t i = 3; i < 7; ++i) result[i] /= std::sqrt(square);
    return result;
}

// Thrusts are not measured and lag by t_m, so the poles of a loop through n integrations add up to −1/t_m whatever the gain;
// all of them at −1/(n t_m) is the fastest. Height and heading: n = 3, the horizontal directions: n = 5.
HoverLaw::HoverLaw(const Parameters& p) : hover_thrust_(p.mass * gravity / 4) {
    const double a = 1 / (3 * p.motor_time_constant), b = 1 / (5 * p.motor_time_constant);
    const double k0 = std::pow(b, 4) / (5 * gravity), k1 = std::pow(b, 3) / gravity, k2 = 2 * b * b, k3 = 2 * b;
    double wrench[4][12] = {};  // force along z, torques
    wrench[0][2] = -p.mass * a * a / 3, wrench[0][8] = -p.mass * a;
    wrench[1][1] = p.inertia_x * k0, wrench[1][3] = -p.inertia_x * k2;
    wrench[1][7] = p.inertia_x * k1, wrench[1][9] = -p.inertia_x * k3;
    wrench[2][0] = -p.inertia_y * k0, wrench[2][4] = -p.inertia_y * k2;
    wrench[2][6] = -p.inertia_y * k1, wrench[2][10] = -p.inertia_y * k3;
    wrench[3][5] = -p.inertia_z * a * a / 3, wrench[3][11] = -p.inertia_z * a;

    // The rows of signs are orthogonal and of length 2, so the inverse of diag(scale) · signs is signsᵀ · diag(1/scale) / 4.
    const double lever = p.arm / std::sqrt(2.0);
    const double scale[4] = {1, lever, lever, p.torque_per_thrust};
    for (std::size_t rotor = 0; rotor < 4; ++rotor) {
        for (std::size_t column = 0; column < 12; ++column) {
            for (int row = 0; row < 4; ++row) {
                gain_[rotor][column] += signs[row][rotor] * wrench[row][column] / (4 * scale[row]);
            }
        }
    }
}

Vector HoverLaw::operator()(const Vector& state, const Vector& planned) const {
    const mpc_plant::Manifold body{13, {3}};
    const double yaw = heading(planned), c = std::cos(yaw), s = std::sin(yaw);
    const Vector level{planned[0], planned[1], planned[2], std::cos(yaw / 2), 0, 0, std::sin(yaw / 2), 0, 0, 0, 0, 0, 0};
    Vector error = body.difference(state.data(), level.data());
    // The gain belongs to heading 0, so positions and velocities are turned into the frame of the wanted heading first.
    for (const auto& [first, limit] : {std::pair<std::size_t, double>{0, largest_position_error}, {6, largest_velocity_error}}) {
        const double along = c * error[first] + s * error[first + 1], across = c * error[first + 1] - s * error[first];
        error[first] = clamped(along, -limit, limit);
        error[first + 1] = clamped(across, -limit, limit);
        error[first + 2] = clamped(error[first + 2], -limit, limit);
    }
    Vector thrusts(4);
    for (std::size_t i = 0; i < 4; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < 12; ++j) sum += gain_[i][j] * error[j];
        thrusts[i] = clamped(hover_thrust_ + sum, 0, thrust_limit);
    }
    return thrusts;
}

}  // namespace quadrotor
