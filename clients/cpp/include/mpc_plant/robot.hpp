#pragma once

#include <cstdint>
#include <cmath>
#include <string>
#include <vector>

#include "mpc_plant/manifold.hpp"
#include "mpc_plant/vector.hpp"

namespace mpc_plant {

/// lower ≤ q ≤ upper [unit] and |q̇| ≤ speed [unit/s] of one joint. From q̇ the robot's hold law stops it within
/// |q̇| reaction_s + q̇² / (2 deceleration), deceleration in unit/s².
struct JointLimit {
    std::size_t position, velocity;           // indices of the two states, both measured
    std::string position_name, velocity_name, unit;
    double lower, upper, speed, deceleration, reaction_s;

    /// [unit] that it moves on when the hold law takes over now.
    double stopping_distance(double rate) const { return std::abs(rate) * reaction_s + rate * rate / (2 * deceleration); }
};

/// What a plant must know of its robot; `python clients/robot_description.py ROBOT` writes it as JSON.
struct Robot {
    std::string name;
    std::string model_hash;             // 12 hex digits, compared with that of every plan
    Manifold manifold;                  // of the state (nx)
    std::vector<std::size_t> measured;  // indices of the measured states, in the order of Reading::measured
    Vector control_lower, control_upper;
    Vector control_slew;                // [unit/s]: the fastest change that the actuators may see
    Vector neutral;                     // the control before any measurement
    bool passive_without_plan = false;  // `neutral` until a plan was followed since the start or the last stop
    std::vector<JointLimit> joint_limits;  // kept by `hold` while the robot can still stop
    double plant_rate_hz = 0;           // ticks and observations
    double plan_rate_hz = 0;            // plans that are expected

    std::size_t nu() const { return control_lower.size(); }
    std::int64_t tick_ns() const;
    std::int64_t plan_period_ns() const;
};

/// The robot of a description, checked. Throws std::invalid_argument that names what is wrong and what would be valid.
Robot parse_robot(const std::string& json);

/// The same from a file. Throws std::invalid_argument.
Robot load_robot(const std::string& path);

}  // namespace mpc_plant
