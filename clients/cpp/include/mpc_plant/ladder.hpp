#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "mpc_plant/messages.hpp"
#include "mpc_plant/plan_acceptance.hpp"

namespace mpc_plant {

/// A plan that may be flown: made from the observation of `observed_ns`, taken in `latency_ns` later.
struct AcceptedPlan {
    Plan plan;
    std::int64_t observed_ns, latency_ns;
};

/// A step on the ladder, and why.
struct ModeChange {
    std::int64_t time_ns;
    Mode before, after;
    std::string reason;
};

/// The plant's state machine. Times are nanoseconds of the plant's clock; nothing else is a clock here.
///
/// The age of a plan is now − the time of the observation that it answers. With T the controller's period:
///
///     NOMINAL      the newest accepted plan is younger than 1.5 T + its measured latency
///     STALE_PLAN   it is not, but the plan is still followed
///     HOLD         the safety gate does not let the plan be followed: it is max(3 T, 20 ms) old, or its validity ended, or it
///                  is of another controller than the one that leads, or too many messages came at once; or it says that the
///                  robot must brake; or there is no plan; or an operator has to arm the robot first
///     E_STOP       an operator said so, or the sensors gave nothing sound for 0.1 s; until an EStop with clear = true,
///                  and then a plan that comes after it is needed
///
/// An accepted plan is followed from its start time on; until then the one before it is.
class Ladder {
public:
    Ladder(const Robot& robot, bool operator_arms);

    /// An observation went out.
    void observed(std::uint64_t sequence, std::int64_t now_ns) { acceptance_.observed(sequence, now_ns); }

    /// The sensors gave something sound. Before the first time they are not missed: then no plan can come either.
    void measured(std::int64_t now_ns, const Vector& measured) {
        measured_ns_ = now_ns;
        measured_ = measured;
    }

    /// Takes a plan in, or says why not.
    Reject offer(Plan plan, std::int64_t now_ns);

    /// An operator lets controllers lead; whether that was waited for.
    bool arm(const Arm& message);

    /// Latches, or unlatches by a newer message that says clear.
    void e_stop(const EStop& message);

    /// The mode of this tick; the change, if it is one.
    std::optional<ModeChange> step(std::int64_t now_ns);

    bool is_stopped() const { return !stopped_by_.empty(); }  // a stop has come, or came and was not released
    Mode mode() const { return mode_; }
    const std::shared_ptr<const AcceptedPlan>& plan() const { return plan_; }  // the one being followed; null: none
    std::int64_t latency_ns() const { return latency_ns_; }                    // of the last accepted plan; −1: none yet
    const std::vector<std::string>& motion_faults() const { return motion_faults_; }  // why the robot has to brake
    const PlanAcceptance& acceptance() const { return acceptance_; }
    const Lease& lease() const { return acceptance_.lease; }

private:
    void latch(const std::string& stopped_by);
    Mode decide(std::int64_t now_ns, std::string& reason);

    const Robot& robot_;
    std::int64_t stale_after_ns_, hold_after_ns_;
    PlanAcceptance acceptance_;
    Mode mode_ = Mode::hold;
    std::shared_ptr<const AcceptedPlan> plan_;
    std::int64_t latency_ns_ = -1;
    std::deque<std::shared_ptr<const AcceptedPlan>> waiting_;  // for their starts, which rise
    std::string stopped_by_;                                   // empty: not stopped
    std::optional<std::uint64_t> stop_sequence_;
    std::optional<std::int64_t> measured_ns_;
    Vector measured_;
    std::size_t messages_ = 0;  // since the last step
    bool is_led_ = false;       // a plan may be followed, whether or not the robot has to brake
    std::vector<std::string> motion_faults_;
};

}  // namespace mpc_plant
