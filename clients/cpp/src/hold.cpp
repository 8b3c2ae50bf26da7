#include "mpc_plant/hold.hpp"

namespace mpc_plant {

Hold::Hold(const Robot& robot, HoldLaw law) : robot_(robot), law_(std::move(law)), rest_(robot.manifold.nx, 0.0) {
    for (const std::size_t start : robot.manifold.quaternions) rest_[start] = 1.0;
}

Vector Hold::command(const Vector& measured) {
    if (measured.empty() || (!place_ && robot_.passive_without_plan)) return robot_.neutral;
    if (!place_) place_ = with(rest_, measured);
    return law_(with(*place_, measured), *place_);
}

Vector Hold::with(const Vector& state, const Vector& measured) const {
    Vector result = state;
    for (std::size_t i = 0; i < measured.size(); ++i) result[robot_.measured[i]] = measured[i];
    return result;
}

}  // namespace mpc_plant
