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
/// rest. When the safety gate made the robot brake it is where the robot was then. It is always within the joint limits. The
/// command is Robot::neutral until there is a measurement, and without a plan for robots that are `passive_without_plan`.
class Hold {
public:
    Hold(const Robot& robot, HoldLaw law);

    /// From now on about where the robot is.
    void begin() { place_.reset(); }

    /// From now on about the planned state (nx). `braked_at`: the measured states at which it was told to brake; empty when it was
    /// not.
    void begin(const Vector& planned, const Vector& braked_at) { place_ = allowed(with(planned, braked_at)); }

    /// (nu) for the last sound measured states; empty when there never were any.
    Vector command(const Vector& measured);

    /// What would keep it where it is measured: of a robot that holds by its own means, this goes on from.
    Vector here(const Vector& measured) const;

private:
    Vector allowed(Vector state) const;
    Vector with(const Vector& state, const Vector& measured) const;

    const Robot& robot_;
    HoldLaw law_;
    Vector rest_;
    std::optional<Vector> place_;
};

}  // namespace mpc_plant
