#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "mpc_plant/vector.hpp"

namespace mpc_plant {

using Quaternion = std::array<double, 4>;  // (w, x, y, z), body to world
using Rotation = std::array<double, 3>;    // rotation vector [rad]

/// Hamilton product a ⊗ b.
Quaternion multiply(const Quaternion& a, const Quaternion& b);

/// (cos a/2, r/a · sin a/2), a = ‖r‖.
Quaternion exponential(const Rotation& rotation);

/// Rotation vector, the shorter way round; the quaternion's length does not matter.
Rotation logarithm(const Quaternion& q);

/// R^nx in which the blocks that start at `quaternions` are unit quaternions. A quaternion's three entries of a tangent
/// vector are a rotation vector in the body frame:
///
///     plus:  q ⊞ δ = q ⊗ exp(δ/2)        minus:  q₁ ⊟ q₀ = 2 log(q₀⁻¹ ⊗ q₁)
///
/// Source: Solà, Deray, Atchuthan, "A micro Lie theory for state estimation in robotics", 2018 (right plus and minus).
struct Manifold {
    std::size_t nx = 0;
    std::vector<std::size_t> quaternions;

    std::size_t ndx() const { return nx - quaternions.size(); }

    /// x ⊞ δ: (nx), (ndx) → (nx).
    Vector retract(const double* x, const Vector& dx) const;

    /// x₁ ⊟ x₀: (nx), (nx) → (ndx).
    Vector difference(const double* x1, const double* x0) const;

    /// The geodesic from x₀ (fraction 0) to x₁ (fraction 1).
    Vector interpolate(const double* x0, const double* x1, double fraction) const;
};

}  // namespace mpc_plant
