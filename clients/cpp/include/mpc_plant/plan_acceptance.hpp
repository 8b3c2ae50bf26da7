#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "mpc_plant/lease.hpp"
#include "mpc_plant/messages.hpp"
#include "mpc_plant/robot.hpp"

namespace mpc_plant {

/// Judges plans as they arrive and counts what it refuses.
///
/// Their controller must hold the lease, or be able to take it. Within an epoch sequences must rise. A plan must answer an
/// observation that is younger than `oldest_ns`, start after it and at most `oldest_ns` from now, and still be valid.
class PlanAcceptance {
public:
    struct Verdict {
        Reject reason;
        std::int64_t observed_ns;  // time of the observation that the plan answers; −1: not known
    };

    PlanAcceptance(const Robot& robot, std::int64_t oldest_ns, bool operator_arms)
        : lease(operator_arms), robot_(robot), oldest_ns_(oldest_ns) {}

    Lease lease;

    /// An observation went out; sequences rise by one.
    void observed(std::uint64_t sequence, std::int64_t time_ns);

    Verdict judge(const Plan& plan, std::int64_t now_ns, bool is_led);

    /// Time of the newest observation; −1 before the first.
    std::int64_t newest_ns() const { return observed_ns_.empty() ? -1 : observed_ns_.back(); }

    /// Of the observation with that sequence; −1 where it is not known.
    std::int64_t answered_time(std::uint64_t sequence) const;

    std::uint64_t accepted() const { return accepted_; }

    /// Refused plans by the names of their reasons.
    const std::map<std::string, std::uint64_t>& rejected() const { return rejected_; }

private:
    Reject reason(const Plan& plan, std::int64_t now_ns, std::int64_t observed_ns, bool is_led) const;
    /// Whether an answer to the observation of that time (−1: not known) is still of use.
    bool is_young(std::int64_t observed_ns, std::int64_t now_ns) const {
        return observed_ns >= 0 && now_ns - observed_ns < oldest_ns_;
    }
    Reject untimely(const Plan& plan, std::int64_t now_ns, std::int64_t observed_ns) const;

    const Robot& robot_;
    std::int64_t oldest_ns_;
    std::uint64_t sequence_ = 0;  // of the last plan that counted
    std::uint64_t first_observed_ = 0, accepted_ = 0;
    std::deque<std::int64_t> observed_ns_;
    std::map<std::string, std::uint64_t> rejected_;
};

/// What is wrong inside a plan, whoever sent it and whenever it came: sizes, numbers, its own times, quaternions, controls.
Reject fault_of(const Plan& plan, const Robot& robot);

/// Which fields of a plan are not finite, or how its sizes differ from the robot's; empty where neither is so.
std::string detail_of(const Plan& plan, const Robot& robot);

}  // namespace mpc_plant
