#include "mpc_plant/manifold.hpp"

#include <cmath>

namespace mpc_plant {
namespace {

// Below this rotation angle [rad] the ratios sin(a)/a and a/sin(a) are 1 to the last digit of a double.
constexpr double tiny = 1e-9;

Quaternion block(const double* x, std::size_t start) { return {x[start], x[start + 1], x[start + 2], x[start + 3]}; }

}  // namespace

Quaternion multiply(const Quaternion& a, const Quaternion& b) {
    return {a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
            a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
            a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
            a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]};
}

Quaternion exponential(const Rotation& r) {
    const double angle = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2] + tiny * tiny);
    const double scale = std::sin(angle / 2) / angle;
    return {std::cos(angle / 2), scale * r[0], scale * r[1], scale * r[2]};
}

Rotation logarithm(const Quaternion& q) {
    const double sign = q[0] < 0 ? -1.0 : 1.0;
    const double norm = std::sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3] + tiny * tiny);
    const double scale = 2 * sign * std::atan2(norm, sign * q[0]) / norm;
    return {scale * q[1], scale * q[2], scale * q[3]};
}

Vector Manifold::retract(const double* x, const Vector& dx) const {
    Vector result;
    result.reserve(nx);
    std::size_t k = 0;
    auto next = quaternions.begin();
    for (std::size_t i = 0; i < nx;) {
        if (next != quaternions.end() && *next == i) {
            const Quaternion q = multiply(block(x, i), exponential({dx[k], dx[k + 1], dx[k + 2]}));
            result.insert(result.end(), q.begin(), q.end());
            i += 4, k += 3, ++next;
        } else {
            result.push_back(x[i] + dx[k]);
            ++i, ++k;
        }
    }
    return result;
}

Vector Manifold::difference(const double* x1, const double* x0) const {
    Vector result;
    result.reserve(ndx());
    auto next = quaternions.begin();
    for (std::size_t i = 0; i < nx;) {
        if (next != quaternions.end() && *next == i) {
            const Quaternion q = block(x0, i);
            const Rotation r = logarithm(multiply({q[0], -q[1], -q[2], -q[3]}, block(x1, i)));
            result.insert(result.end(), r.begin(), r.end());
            i += 4, ++next;
        } else {
            result.push_back(x1[i] - x0[i]);
            ++i;
        }
    }
    return result;
}

Vector Manifold::interpolate(const double* x0, const double* x1, double fraction) const {
    Vector step = difference(x1, x0);
    for (double& entry : step) entry *= fraction;
    return retract(x0, step);
}

}  // namespace mpc_plant
