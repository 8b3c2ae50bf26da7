#include "mpc_plant/measurement.hpp"

#include <limits>
#include <utility>

namespace mpc_plant {
namespace {

// An attitude sensor's own normalisation is good to far less; a dead one that gives zeros is far outside.
constexpr double unit_length = 0.1;
// Half of the time after which a plant without sound measurements stops its robot.
constexpr std::int64_t frozen_ns = 50'000'000;

}  // namespace

MeasurementCheck::MeasurementCheck(const Robot& robot, std::vector<std::size_t> noisy)
    : count_(robot.measured.size()),
      noisy_(std::move(noisy)),
      last_(noisy_.size(), std::numeric_limits<double>::quiet_NaN()),
      changed_ns_(noisy_.size(), 0) {
    for (const std::size_t start : robot.manifold.quaternions) {
        std::vector<std::size_t> positions;
        for (std::size_t i = start; i < start + 4; ++i) {
            const auto found = std::find(robot.measured.begin(), robot.measured.end(), i);
            if (found != robot.measured.end()) {
                positions.push_back(static_cast<std::size_t>(found - robot.measured.begin()));
            }
        }
        if (!positions.empty()) quaternions_.push_back(positions);
    }
}

std::string MeasurementCheck::fault_of(const Vector& measured, std::int64_t now_ns) {
    if (measured.size() != count_ || !all_finite(measured)) return std::to_string(count_) + " finite numbers are needed";
    for (const auto& positions : quaternions_) {
        double square = 0;
        for (const std::size_t i : positions) square += measured[i] * measured[i];
        if (std::abs(std::sqrt(square) - 1) > unit_length) return "a quaternion must have unit length";
    }
    bool is_frozen = false;
    for (std::size_t i = 0; i < noisy_.size(); ++i) {
        const double value = measured[noisy_[i]];
        if (value != last_[i]) changed_ns_[i] = now_ns;
        last_[i] = value;
        is_frozen = is_frozen || now_ns - changed_ns_[i] >= frozen_ns;
    }
    return is_frozen ? "frozen: " + frozen(now_ns) : "";
}

std::string MeasurementCheck::frozen(std::int64_t now_ns) const {
    std::string text;
    for (std::size_t i = 0; i < noisy_.size(); ++i) {
        if (now_ns - changed_ns_[i] < frozen_ns) continue;
        text += (text.empty() ? "measured[" : ", measured[") + std::to_string(noisy_[i]) + "]";
    }
    return text;
}

}  // namespace mpc_plant
