#pragma once

#include <atomic>
#include <map>
#include <string>

#include "mpc_plant/clock.hpp"
#include "mpc_plant/event_log.hpp"
#include "mpc_plant/link.hpp"
#include "mpc_plant/robot.hpp"

namespace mpc_plant {

/// What a driver gives each tick.
struct Reading {
    Vector measured;      // the measured states, in the order of Robot::measured; of another size when there are none
    Vector truth;         // a simulator's true state (nx); a real robot gives none
    std::string failure;  // why the robot broke down, in one line; empty while it is sound
};

/// A real robot's driver or a simulator: what its author writes. The loop around it is `run`.
///
/// All are called from one thread, once a tick and never waited for: they must return well within the tick. They can't
/// throw. The destructor leaves the robot safe.
class Plant {
public:
    virtual ~Plant() = default;

    virtual Reading read() noexcept = 0;

    /// Positions in `Reading::measured` of those whose sensors never give exactly the same number for long, asked once; one
    /// that does so for 50 ms counts as frozen, which is no sound reading. An encoder of a robot at rest is none.
    virtual std::vector<std::size_t> noisy() noexcept { return {}; }

    /// Hold the command u (nu) from now on; a simulator advances by one period.
    virtual void apply(const Vector& u) noexcept = 0;

    /// Asked in every tick of HOLD and of E_STOP: keep the robot still by its own means, such as a firmware's position mode or a
    /// brake. False where it has none: then `apply` gets what `hold` makes, or zeros (the nearest to them within the limits).
    virtual bool keeps_still(Mode) noexcept { return false; }

    /// What else the robot reports, by name with its unit at the end, such as motor_1_temperature_celsius. Asked once a second.
    virtual std::map<std::string, double> health() noexcept { return {}; }

    /// The fallback law on board: from the measured state (unmeasured entries as planned) and the state that the last plan
    /// wanted when the hold began (without a plan, the one measured then), the control (nu) that keeps the robot still. It
    /// takes a place from `planned`, never speeds. It is gated like every command.
    virtual Vector hold(const Vector& state, const Vector& planned) noexcept = 0;
};

struct RunOptions {
    double duration_s = 0;       // 0: until told to stop
    bool operator_arms = false;  // no plan is followed before an operator armed the robot, nor after a hold or a stop
};

/// How a run ended, and what was counted.
struct Summary {
    Totals totals;
    std::string failure;  // of the plant; empty when the run ended as asked
};

/// Reads, publishes, takes plans in, decides the mode, makes a command, gates and applies it; tick by tick, until `stop` is set
/// or the duration has passed. It does what the plant node of the Python package does, except for lock step.
Summary run(Plant& plant, const Robot& robot, Link& link, Clock& clock, const RunOptions& options,
            const std::atomic<bool>& stop) noexcept;

}  // namespace mpc_plant
