#include "mpc_plant/lease.hpp"

#include <algorithm>

namespace mpc_plant {

Reject Lease::refusal(const Plan& plan, bool is_led) const {
    if (awaits_operator_) return Reject::awaits_operator;
    const bool is_other = plan.epoch != epoch_;
    if (is_led && is_other && plan.claim != Claim::take_over) return Reject::other_in_charge;
    if (plan.epoch < std::max(epoch_, least_epoch_)) return Reject::wrong_epoch;
    return is_other && plan.claim == Claim::none ? Reject::unclaimed : Reject::none;
}

void Lease::held(std::int64_t observed_ns) {
    if (was_used_) await_operator(observed_ns);
}

void Lease::stopped(std::int64_t observed_ns) {
    least_epoch_ = epoch_ + 1;
    await_operator(observed_ns);
}

bool Lease::arm(std::int64_t observed_ns) {
    if (!awaits_operator_ || observed_ns <= since_ns_) return false;
    awaits_operator_ = false;
    return true;
}

void Lease::await_operator(std::int64_t observed_ns) {
    was_used_ = false;
    awaits_operator_ = operator_arms_;
    since_ns_ = observed_ns;
}

}  // namespace mpc_plant
