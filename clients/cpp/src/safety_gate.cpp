#include "mpc_plant/safety_gate.hpp"

#include <cmath>

namespace mpc_plant {
namespace {

// A command on its limit differs from it by rounding; that is no intervention. Relative to the size of the limit.
constexpr double rounding = 1e-9;

bool differs(double changed, double asked) { return std::abs(changed - asked) > rounding * (1 + std::abs(asked)); }

std::string shape(std::size_t n) { return "(" + std::to_string(n) + ",)"; }

}  // namespace

CommandLimits::CommandLimits(const Robot& robot)
    : lower(robot.control_lower), upper(robot.control_upper), step(robot.control_slew) {
    for (double& entry : step) entry = entry * static_cast<double>(robot.tick_ns()) * 1e-9;
}

Gated gate(const Vector& command, const Vector& last, const CommandLimits& limits) {
    const std::size_t nu = limits.lower.size();
    if (command.size() != nu) return {last, {"shape " + shape(command.size()) + " instead of " + shape(nu)}};
    if (!all_finite(command)) return {last, {"not finite"}};
    Gated safe{Vector(nu), {}};
    bool range = false, slew = false;
    for (std::size_t i = 0; i < nu; ++i) {
        const double in_range = clamped(command[i], limits.lower[i], limits.upper[i]);
        safe.command[i] = clamped(in_range, last[i] - limits.step[i], last[i] + limits.step[i]);
        range = range || differs(in_range, command[i]);
        slew = slew || differs(safe.command[i], in_range);
    }
    if (range) safe.reasons.emplace_back("range");
    if (slew) safe.reasons.emplace_back("slew");
    return safe;
}

}  // namespace mpc_plant
