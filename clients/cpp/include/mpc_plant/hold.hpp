#pragma once

#include <functional>
#include <optional>

#include "mpc_plant/robot.hpp"

namespace mpc_plant {

/// (state (nx), planned (nx)) → the control (nu) that keeps the robot still.
using HoldLaw = std::function<Vector(const Vector& state, const Vector& planned)>;

/// The robot's hold law about one place: the state that the last plan wanted when the hold began.
///
/// Without a plan (at the start, after a stop) it is where the robot was first measured since; unmeasured entries are then at
/// rest. The command is Robot::neutral until there is a measurement, and without a plan for robots that are
/// `passive_without_plan`.
class Hold {
public:
    Hold(const Robot& robot, HoldLaw law);

    /// From now on about the planned state (nx), or about where the robot is (nullopt).
    void begin(std::optional<Vector> planned) { place_ = std::move(planned); }

    /// (nu) for the last sound measured states; empty when there never were any.
    Vector command(const Vector& measured);

private:
    Vector with(const Vector& state, const Vector& measured) const;

    const Robot& robot_;
    HoldLaw law_;
    Vector rest_;
    std::optional<Vector> place_;
};

}  // namespace mpc_plant
