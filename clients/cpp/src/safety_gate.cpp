#include "mpc_plant/safety_gate.hpp"

#include <cmath>
#include <cstdio>

namespace mpc_plant {
namespace {

// A command on its limit differs from it by rounding; that is no intervention. Relative to the size of the limit.
constexpr double rounding = 1e-9;

bool differs(double changed, double asked) { return std::abs(changed - asked) > rounding * (1 + std::abs(asked)); }

// A motion that was braked is free again at half the speed and with twice the braking distance left: no chatter in between.
constexpr double release = 2.0;

template <typename... Numbers>
std::string written(const char* format, Numbers... numbers) {
    char text[256];
    std::snprintf(text, sizeof text, format, numbers...);
    return text;
}

double measured_state(const Robot& robot, const Vector& measured, std::size_t index) {
    const auto place = std::find(robot.measured.begin(), robot.measured.end(), index) - robot.measured.begin();
    return measured[static_cast<std::size_t>(place)];
}

/// Comparisons are such that a NaN is a fault.
std::string motion_fault(const JointLimit& limit, double position, double velocity, double slack) {
    const char *name = limit.position_name.c_str(), *unit = limit.unit.c_str();
    if (!(limit.lower <= position && position <= limit.upper)) {
        return written("%s is at %.4g %s, outside of %g to %g %s", name, position, unit, limit.lower, limit.upper, unit);
    }
    if (!(std::abs(velocity) * slack <= limit.speed)) {
        return written("%s is %.4g %s/s; at most %g %s/s is allowed", limit.velocity_name.c_str(), velocity, unit,
                       limit.speed / slack, unit);
    }
    const double left = velocity > 0 ? limit.upper - position : position - limit.lower;
    const double needed = slack * limit.stopping_distance(velocity);
    if (!(needed > left)) return "";
    return written("%s has %.4g %s left and needs %.4g %s to stop", name, left, unit, needed, unit);
}

std::string shape(std::size_t n) { return "(" + std::to_string(n) + ",)"; }

}  // namespace

CommandLimits::CommandLimits(const Robot& robot)
    : lower(robot.control_lower), upper(robot.control_upper), step(robot.control_slew) {
    for (double& entry : step) entry = entry * static_cast<double>(robot.tick_ns()) * 1e-9;
}

Gated gate(const Vector& command, const Vector& last, const CommandLimits& limits) {
    const std::size_t nu = limits.lower.size();
    Vector before(nu);
    for (std::size_t i = 0; i < nu; ++i) {
        const bool is_known = last.size() == nu && std::isfinite(last[i]);
        before[i] = clamped(is_known ? last[i] : 0.0, limits.lower[i], limits.upper[i]);
    }
    if (command.size() != nu) return {before, {"shape " + shape(command.size()) + " instead of " + shape(nu)}};
    if (!all_finite(command)) return {before, {"not finite"}};
    Gated safe{Vector(nu), {}};
    bool range = false, slew = false;
    for (std::size_t i = 0; i < nu; ++i) {
        const double in_range = clamped(command[i], limits.lower[i], limits.upper[i]);
        safe.command[i] = clamped(in_range, before[i] - limits.step[i], before[i] + limits.step[i]);
        range = range || differs(in_range, command[i]);
        slew = slew || differs(safe.command[i], in_range);
    }
    if (range) safe.reasons.emplace_back("range");
    if (slew) safe.reasons.emplace_back("slew");
    return safe;
}

std::vector<std::string> motion_faults(const Robot& robot, const Vector& measured, bool is_braked) {
    std::vector<std::string> faults;
    for (const JointLimit& limit : robot.joint_limits) {
        const std::string fault = motion_fault(limit, measured_state(robot, measured, limit.position),
                                               measured_state(robot, measured, limit.velocity), is_braked ? release : 1.0);
        if (!fault.empty()) faults.push_back(fault);
    }
    return faults;
}

std::string plan_fault(const PlanFacts& facts, std::int64_t oldest_ns) {
    if (facts.age_ns >= oldest_ns) return written("no plan for %.1f ms", static_cast<double>(facts.age_ns) / 1e6);
    if (facts.valid_ns <= 0) return "the plan's validity ended";
    if (facts.epoch == facts.leading_epoch) return "";
    return "the plan is of controller " + std::to_string(facts.epoch) + "; " + std::to_string(facts.leading_epoch) + " leads";
}

std::string message_fault(std::size_t messages, std::size_t most) {
    if (messages <= most) return "";
    return std::to_string(messages) + " messages in one tick; at most " + std::to_string(most) + " are allowed";
}

}  // namespace mpc_plant
