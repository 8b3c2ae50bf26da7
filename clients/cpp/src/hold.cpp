#include "mpc_plant/hold.hpp"

namespace mpc_plant {
namespace {

// Share of a joint's range by which the place stays inside of it: gravity and friction leave an impedance law short of it.
constexpr double inside = 0.01;

}  // namespace

Hold::Hold(const Robot& robot, HoldLaw law) : robot_(robot), law_(std::move(law)), rest_(robot.manifold.nx, 0.0) {
    for (const std::size_t start : robot.manifold.quaternions) rest_[start] = 1.0;
}

Vector Hold::command(const Vector& measured) {
    if (measured.empty() || (!place_ && robot_.passive_without_plan)) return robot_.neutral;
    if (!place_) place_ = allowed(with(rest_, measured));
    return law_(with(*place_, measured), *place_);
}

Vector Hold::here(const Vector& measured) const {
    if (measured.empty() || robot_.passive_without_plan) return robot_.neutral;
    const Vector place = allowed(with(rest_, measured));
    return law_(with(place, measured), place);
}

/// The nearest state (nx) within the joint limits.
Vector Hold::allowed(Vector state) const {
    for (const JointLimit& limit : robot_.joint_limits) {
        const double margin = inside * (limit.upper - limit.lower);
        state[limit.position] = clamped(state[limit.position], limit.lower + margin, limit.upper - margin);
    }
    return state;
}

Vector Hold::with(const Vector& state, const Vector& measured) const {
    Vector result = state;
    for (std::size_t i = 0; i < measured.size(); ++i) result[robot_.measured[i]] = measured[i];
    return result;
}

}  // namespace mpc_plant
