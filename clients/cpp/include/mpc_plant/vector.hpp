#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace mpc_plant {

/// Numbers in SI units; matrices are row-major in one.
using Vector = std::vector<double>;

inline bool all_finite(const Vector& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

/// The value nearest to `value` in [lower, upper].
inline double clamped(double value, double lower, double upper) { return std::min(std::max(value, lower), upper); }

}  // namespace mpc_plant
