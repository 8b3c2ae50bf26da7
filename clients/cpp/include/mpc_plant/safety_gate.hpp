#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpc_plant/robot.hpp"

namespace mpc_plant {

// May this plan be followed, can this motion still be stopped, what goes to the actuators: pure functions, without a clock,
// memory, input or output, and small enough to read whole.

/// lower ≤ u ≤ upper (nu), and |Δu| ≤ step (nu) from one command to the next.
struct CommandLimits {
    explicit CommandLimits(const Robot& robot);

    Vector lower, upper, step;
};

struct Gated {
    Vector command;
    std::vector<std::string> reasons;  // why it differs from what was asked; empty when it does not
};

/// The last function before the actuators: the nearest safe command.
///
/// `last` (nu) is the last command that went out; it is repeated when the new one has a wrong size or is not finite. Where it is
/// itself out of range or not finite, it counts as the nearest value in range to it, or to 0.
Gated gate(const Vector& command, const Vector& last, const CommandLimits& limits);

/// Why the robot must brake: one reason for each joint that is where, or as fast as, it must not be.
///
/// `measured`: in the order of Robot::measured. `is_braked`: it was told to at the tick before; then it is free only at half the
/// speed and with twice the braking distance left.
std::vector<std::string> motion_faults(const Robot& robot, const Vector& measured, bool is_braked);

/// Of the plan that would be followed at this tick: its age, how long it is valid yet, the epoch of its controller, and the
/// epoch of the one that leads.
struct PlanFacts {
    std::int64_t age_ns, valid_ns;
    std::uint64_t epoch, leading_epoch;
};

/// Why the plan must not be followed; empty when it may be. Its age must be below `oldest_ns`.
std::string plan_fault(const PlanFacts& facts, std::int64_t oldest_ns);

/// Why those who sent so many messages within one tick are not to be followed; empty when they may be.
std::string message_fault(std::size_t messages, std::size_t most);

}  // namespace mpc_plant
