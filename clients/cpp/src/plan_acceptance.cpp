#include "mpc_plant/plan_acceptance.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

namespace mpc_plant {
namespace {

// Observations whose times are remembered, to know how old an answer is: far more than any plan may be late.
constexpr std::size_t remembered = 4096;
// Solvers keep quaternions on the sphere to 1e-9; interpolation and feedback take them as they are.
constexpr double unit_length = 1e-6;
// Share of a control's range that a solver which was cut at its iteration limit may leave its bounds by.
constexpr double range_slack = 1e-3;
constexpr int last_usable_status = 1;  // CONVERGED and ITERATION_LIMIT

/// A quaternion of zeros would silently switch the feedback of attitude off.
bool has_unit_quaternions(const Plan& plan, const Robot& robot) {
    for (const std::size_t start : robot.manifold.quaternions) {
        for (std::size_t k = 0; k <= plan.intervals; ++k) {
            const double* q = &plan.states[k * plan.nx + start];
            const bool is_large = std::any_of(q, q + 4, [](double v) { return std::abs(v) > 2.0; });
            if (is_large || !(std::abs(std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]) - 1) <= unit_length)) {
                return false;
            }
        }
    }
    return true;
}

bool is_in_range(const Plan& plan, const Robot& robot) {
    for (std::size_t i = 0; i < plan.controls.size(); ++i) {
        const std::size_t j = i % plan.nu;
        const double lower = robot.control_lower[j], upper = robot.control_upper[j], slack = range_slack * (upper - lower);
        if (plan.controls[i] < lower - slack || plan.controls[i] > upper + slack) return false;
    }
    return true;
}

}  // namespace

const char* name_of(Reject reason) {
    switch (reason) {
        case Reject::none: return "";
        case Reject::wrong_robot: return "wrong robot";
        case Reject::wrong_model: return "wrong model";
        case Reject::awaits_operator: return "awaits an operator";
        case Reject::other_in_charge: return "other controller in charge";
        case Reject::wrong_epoch: return "wrong epoch";
        case Reject::unclaimed: return "plant not claimed";
        case Reject::duplicate: return "duplicate";
        case Reject::out_of_order: return "out of order";
        case Reject::failed: return "failed solve";
        case Reject::wrong_size: return "wrong size";
        case Reject::non_finite: return "not finite";
        case Reject::wrong_start: return "start is not the first time";
        case Reject::wrong_end: return "valid beyond its last time";
        case Reject::no_quaternion: return "quaternion not of unit length";
        case Reject::out_of_range: return "control out of range";
        case Reject::stale: return "stale";
        case Reject::before_observation: return "starts before its observation";
        case Reject::too_far_ahead: return "starts too far ahead";
        case Reject::ended: return "validity ended";
    }
    return "";
}

void PlanAcceptance::observed(std::uint64_t sequence, std::int64_t time_ns) {
    if (observed_ns_.empty()) first_observed_ = sequence;
    observed_ns_.push_back(time_ns);
    if (observed_ns_.size() > remembered) {
        observed_ns_.pop_front();
        ++first_observed_;
    }
}

PlanAcceptance::Verdict PlanAcceptance::judge(const Plan& plan, std::int64_t now_ns, bool is_led) {
    const std::int64_t observed_ns = answered_time(plan.answers_sequence);
    const Reject found = reason(plan, now_ns, observed_ns, is_led);
    if (found == Reject::none) {
        lease.take(plan.epoch, is_led, newest_ns());
        ++accepted_;
    } else {
        ++rejected_[name_of(found)];
    }
    const bool counts = plan.epoch == lease.epoch() && is_young(observed_ns, now_ns);
    if (found == Reject::none || (found == Reject::failed && counts)) sequence_ = plan.sequence;
    return {found, observed_ns};
}

Reject PlanAcceptance::reason(const Plan& plan, std::int64_t now_ns, std::int64_t observed_ns, bool is_led) const {
    if (plan.robot != robot_.name) return Reject::wrong_robot;
    if (plan.model_hash != robot_.model_hash) return Reject::wrong_model;
    const Reject refusal = lease.refusal(plan, is_led);
    if (refusal != Reject::none) return refusal;
    if (plan.epoch == lease.epoch() && plan.sequence <= sequence_) {
        return plan.sequence == sequence_ ? Reject::duplicate : Reject::out_of_order;
    }
    if (plan.status < 0 || plan.status > last_usable_status) return Reject::failed;
    const Reject fault = fault_of(plan, robot_);
    return fault != Reject::none ? fault : untimely(plan, now_ns, observed_ns);
}

Reject PlanAcceptance::untimely(const Plan& plan, std::int64_t now_ns, std::int64_t observed_ns) const {
    if (!is_young(observed_ns, now_ns)) return Reject::stale;
    if (plan.start_ns < observed_ns) return Reject::before_observation;
    if (plan.start_ns > now_ns + oldest_ns_) return Reject::too_far_ahead;
    return plan.valid_until_ns <= now_ns ? Reject::ended : Reject::none;
}

std::int64_t PlanAcceptance::answered_time(std::uint64_t sequence) const {
    if (sequence < first_observed_ || sequence - first_observed_ >= observed_ns_.size()) return -1;
    return observed_ns_[sequence - first_observed_];
}

Reject fault_of(const Plan& plan, const Robot& robot) {
    const std::size_t n = plan.intervals, nx = robot.manifold.nx, nu = robot.nu(), ndx = robot.manifold.ndx();
    if (n < 1 || plan.nx != nx || plan.nu != nu || plan.ndx != ndx) return Reject::wrong_size;
    if (!all_finite(plan.states) || !all_finite(plan.controls) || !all_finite(plan.gains)) return Reject::non_finite;
    if (plan.start_ns != plan.times_ns.front()) return Reject::wrong_start;
    if (plan.valid_until_ns > plan.times_ns.back()) return Reject::wrong_end;
    if (!has_unit_quaternions(plan, robot)) return Reject::no_quaternion;
    return is_in_range(plan, robot) ? Reject::none : Reject::out_of_range;
}

std::string detail_of(const Plan& plan, const Robot& robot) {
    const std::size_t nx = robot.manifold.nx, nu = robot.nu(), ndx = robot.manifold.ndx();
    std::ostringstream text;
    if (plan.intervals < 1 || plan.nx != nx || plan.nu != nu || plan.ndx != ndx) {
        text << "nx, nu, ndx = " << plan.nx << ", " << plan.nu << ", " << plan.ndx << "; this robot has " << nx << ", " << nu
             << ", " << ndx;
        return text.str();
    }
    const std::pair<const char*, const Vector*> fields[] = {
        {"states", &plan.states}, {"controls", &plan.controls}, {"gains", &plan.gains}};
    for (const auto& [name, values] : fields) {
        if (!all_finite(*values)) text << (text.tellp() > 0 ? ", " : "") << name;
    }
    return text.str();
}

}  // namespace mpc_plant
