#pragma once

#include <cstdint>

#include "mpc_plant/messages.hpp"

namespace mpc_plant {

/// Why a plan was not taken, in the order in which it is looked for; `none`: it was taken.
enum class Reject {
    none,
    wrong_robot,
    wrong_model,
    awaits_operator,
    other_in_charge,
    wrong_epoch,
    unclaimed,
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

/// Which controller may command the plant: one epoch at a time.
///
/// Another takes the lease by a plan that claims the plant and is good in all else: while no plan is followed, or from the one
/// that leads where the plan says take_over. Epochs only rise. An emergency stop takes the next epoch, so that whoever led has to
/// begin a new one. With `operator_arms` nobody may command until an operator has armed the robot, and again after each time that
/// it held, was stopped or was taken over, or that nobody led for 30 s, by a word that answers an observation made since.
class Lease {
public:
    explicit Lease(bool operator_arms) : operator_arms_(operator_arms), awaits_operator_(operator_arms) {}

    /// Why a plan's controller may not command; `none` when it may, or may take the lease.
    Reject refusal(const Plan& plan, bool is_led) const;

    /// By a plan that was not refused.
    void take(std::uint64_t epoch, bool is_led, std::int64_t observed_ns);

    /// A plan makes the commands.
    void followed() { was_used_ = true; }

    /// No plan does, and none is about to; `observed_ns` is the newest observation's time, here and below.
    void held(std::int64_t observed_ns);

    /// The robot was stopped.
    void stopped(std::int64_t observed_ns);

    /// A stop is over.
    void released(std::int64_t observed_ns) { await_operator(observed_ns); }

    /// An operator's word in answer to the observation of that time (−1: not known); whether it was waited for.
    bool arm(std::int64_t observed_ns);

    std::uint64_t epoch() const { return epoch_; }  // 0: nobody ever had it
    bool awaits_operator() const { return awaits_operator_; }

private:
    void await_operator(std::int64_t observed_ns);

    bool operator_arms_, awaits_operator_;
    std::uint64_t epoch_ = 0;
    std::int64_t since_ns_ = -1;  // observation after which the operator's word must have been given
    std::int64_t armed_ns_ = 0;
    bool is_stop_s_ = false, was_used_ = false;
};

}  // namespace mpc_plant
