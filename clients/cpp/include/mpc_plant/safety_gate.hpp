#pragma once

#include <string>
#include <vector>

#include "mpc_plant/robot.hpp"

namespace mpc_plant {

/// lower ≤ u ≤ upper (nu), and |Δu| ≤ step (nu) from one command to the next.
struct CommandLimits {
    explicit CommandLimits(const Robot& robot);

    Vector lower, upper, step;
};

struct Gated {
    Vector command;
    std::vector<std::string> reasons;  // why it differs from what was asked; empty when it does not
};

/// The last function before the actuators: the nearest safe command. Pure, and small enough to read whole.
///
/// `last` (nu) is the last command that went out; it is repeated when the new one has a wrong size or is not finite.
Gated gate(const Vector& command, const Vector& last, const CommandLimits& limits);

}  // namespace mpc_plant
