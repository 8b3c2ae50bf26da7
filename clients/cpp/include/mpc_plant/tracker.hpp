#pragma once

#include <cstdint>

#include "mpc_plant/messages.hpp"
#include "mpc_plant/robot.hpp"

namespace mpc_plant {

/// Index k of the interval [t_k, t_k+1) that holds a time; the first before the start, the last after the end.
std::size_t interval_of(const Plan& plan, std::int64_t time_ns);

/// x*(t) (nx): interpolated on the manifold, held constant outside of the plan's times.
Vector state_at(const Plan& plan, const Manifold& manifold, std::int64_t time_ns);

/// u = u*(t) + K(t) (x ⊟ x*(t)) (nu), saturated to the robot's range.
///
/// What the sensors do not see counts as being on the plan (zero error). Saturation is normal operation: a plan that uses the
/// full range leaves nothing for feedback.
Vector tracking_command(const Robot& robot, const Plan& plan, std::int64_t time_ns, const Vector& measured);

}  // namespace mpc_plant
