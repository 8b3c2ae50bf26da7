#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "mpc_plant/messages.hpp"
#include "mpc_plant/robot.hpp"

namespace mpc_plant {

/// Why a plan was not taken, in the order in which it is looked for; `none`: it was taken.
enum class Reject {
    none,
    wrong_robot,
    wrong_model,
    other_in_charge,
    wrong_epoch,
    duplicate,
    out_of_order,
    failed,
    wrong_size,
    non_finite,
    wrong_start,
    wrong_end,
    no_quaternion,
    out_of_range,
    stale,
    before_observation,
    too_far_ahead,
    ended
};

/// The name under which plans are counted and told.
const char* name_of(Reject reason);

/// Judges plans as they arrive and counts what it refuses.
///
/// The epoch of the last accepted plan leads. While its plans are followed (`is_led`), those of every other epoch are refused.
/// Once they are not, any epoch from the leading one on may lead. Within an epoch sequences must rise. A plan must answer an
/// observation that is younger than `oldest_ns`, start after it and at most `oldest_ns` from now, and still be valid.
class PlanAcceptance {
public:
    struct Verdict {
        Reject reason;
        std::int64_t observed_ns;  // time of the observation that the plan answers; −1: not known
    };

    PlanAcceptance(const Robot& robot, std::int64_t oldest_ns) : robot_(robot), oldest_ns_(oldest_ns) {}

    /// An observation went out; sequences rise by one.
    void observed(std::uint64_t sequence, std::int64_t time_ns);

    Verdict judge(const Plan& plan, std::int64_t now_ns, bool is_led);

    /// From now on only a controller that has begun a new epoch may lead.
    void end_epoch() { least_epoch_ = epoch_ + 1; }

    /// The leading one; 0 when there was none.
    std::uint64_t epoch() const { return epoch_; }

    std::uint64_t accepted() const { return accepted_; }

    /// Refused plans by the names of their reasons.
    const std::map<std::string, std::uint64_t>& rejected() const { return rejected_; }

private:
    Reject reason(const Plan& plan, std::int64_t now_ns, std::int64_t observed_ns, bool is_led) const;
    Reject untimely(const Plan& plan, std::int64_t now_ns, std::int64_t observed_ns) const;
    std::int64_t answered_time(std::uint64_t sequence) const;

    const Robot& robot_;
    std::int64_t oldest_ns_;
    std::uint64_t epoch_ = 0, sequence_ = 0;  // of the last plan that counted; epoch 0: none did
    std::uint64_t least_epoch_ = 1;
    std::uint64_t first_observed_ = 0, accepted_ = 0;
    std::deque<std::int64_t> observed_ns_;
    std::map<std::string, std::uint64_t> rejected_;
};

/// What is wrong inside a plan, whoever sent it and whenever it came: sizes, numbers, its own times, quaternions, controls.
Reject fault_of(const Plan& plan, const Robot& robot);

/// Which fields of a plan are not finite, or how its sizes differ from the robot's; empty where neither is so.
std::string detail_of(const Plan& plan, const Robot& robot);

}  // namespace mpc_plant
