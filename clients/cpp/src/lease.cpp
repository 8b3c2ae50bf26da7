#include "mpc_plant/lease.hpp"

#include <algorithm>
#include <cstdint>

namespace mpc_plant {
namespace {

constexpr std::uint64_t last_epoch = UINT64_MAX;          // that a message can hold; nobody could lead after it
constexpr std::int64_t unused_ns = 30'000'000'000;  // after which an operator's word is forgotten, if nobody led by then

}  // namespace

Reject Lease::refusal(const Plan& plan, bool is_led) const {
    if (awaits_operator_) return Reject::awaits_operator;
    const bool is_other = plan.epoch != epoch_;
    if (is_led && is_other && plan.claim != Claim::take_over) return Reject::other_in_charge;
    const std::uint64_t least = std::max<std::uint64_t>(epoch_, 1);
    if (plan.epoch < least || (is_stop_s_ && !is_other) || plan.epoch == last_epoch) return Reject::wrong_epoch;
    return is_other && plan.claim == Claim::none ? Reject::unclaimed : Reject::none;
}

void Lease::take(std::uint64_t epoch, bool is_led, std::int64_t observed_ns) {
    if (is_led && epoch != epoch_) await_operator(observed_ns);
    epoch_ = epoch;
    is_stop_s_ = false;
}

void Lease::held(std::int64_t observed_ns) {
    const bool is_forgotten = was_used_ || observed_ns - armed_ns_ > unused_ns;
    if (is_forgotten && !awaits_operator_) await_operator(observed_ns);
}

void Lease::stopped(std::int64_t observed_ns) {
    if (epoch_ < last_epoch) ++epoch_;
    is_stop_s_ = true;
    await_operator(observed_ns);
}

bool Lease::arm(std::int64_t observed_ns) {
    if (!awaits_operator_ || observed_ns <= since_ns_) return false;
    awaits_operator_ = false;
    armed_ns_ = observed_ns;
    return true;
}

void Lease::await_operator(std::int64_t observed_ns) {
    was_used_ = false;
    awaits_operator_ = operator_arms_;
    since_ns_ = observed_ns;
}

}  // namespace mpc_plant
