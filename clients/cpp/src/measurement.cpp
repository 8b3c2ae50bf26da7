#include "mpc_plant/measurement.hpp"

namespace mpc_plant {
namespace {

// An attitude sensor's own normalisation is good to far less; a dead one that gives zeros is far outside.
constexpr double unit_length = 0.1;

}  // namespace

MeasurementCheck::MeasurementCheck(const Robot& robot) : count_(robot.measured.size()) {
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

std::string MeasurementCheck::fault_of(const Vector& measured) const {
    if (measured.size() != count_ || !all_finite(measured)) return std::to_string(count_) + " finite numbers are needed";
    for (const auto& positions : quaternions_) {
        double square = 0;
        for (const std::size_t i : positions) square += measured[i] * measured[i];
        if (std::abs(std::sqrt(square) - 1) > unit_length) return "a quaternion must have unit length";
    }
    return "";
}

}  // namespace mpc_plant
