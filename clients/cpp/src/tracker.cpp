#include "mpc_plant/tracker.hpp"

#include <algorithm>

namespace mpc_plant {
namespace {

/// later − earlier, exact for any two times in this order.
double span(std::int64_t earlier, std::int64_t later) {
    return static_cast<double>(static_cast<std::uint64_t>(later) - static_cast<std::uint64_t>(earlier));
}

}  // namespace

std::size_t interval_of(const Plan& plan, std::int64_t time_ns) {
    const auto& times = plan.times_ns;
    const auto after = static_cast<std::size_t>(std::upper_bound(times.begin(), times.end(), time_ns) - times.begin());
    return std::min(after == 0 ? 0 : after - 1, plan.intervals - 1);
}

Vector state_at(const Plan& plan, const Manifold& manifold, std::int64_t time_ns) {
    const std::size_t k = interval_of(plan, time_ns);
    const std::int64_t start = plan.times_ns[k], end = plan.times_ns[k + 1];
    const double fraction = time_ns <= start ? 0.0 : std::min(span(start, time_ns) / span(start, end), 1.0);
    return manifold.interpolate(&plan.states[k * plan.nx], &plan.states[(k + 1) * plan.nx], fraction);
}

Vector tracking_command(const Robot& robot, const Plan& plan, std::int64_t time_ns, const Vector& measured) {
    const Vector wanted = state_at(plan, robot.manifold, time_ns);
    Vector state = wanted;
    for (std::size_t i = 0; i < measured.size(); ++i) state[robot.measured[i]] = measured[i];
    const Vector error = robot.manifold.difference(state.data(), wanted.data());

    const std::size_t k = interval_of(plan, time_ns);
    Vector command(plan.nu);
    for (std::size_t i = 0; i < plan.nu; ++i) {
        const double* gain = &plan.gains[(k * plan.nu + i) * plan.ndx];
        double feedback = 0;
        for (std::size_t j = 0; j < plan.ndx; ++j) feedback += gain[j] * error[j];
        command[i] = clamped(plan.controls[k * plan.nu + i] + feedback, robot.control_lower[i], robot.control_upper[i]);
    }
    return command;
}

}  // namespace mpc_plant
