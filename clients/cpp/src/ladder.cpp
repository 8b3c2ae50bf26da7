#include "mpc_plant/ladder.hpp"

#include <algorithm>
#include <cstdio>

#include "mpc_plant/safety_gate.hpp"
#include "mpc_plant/text.hpp"

namespace mpc_plant {
namespace {

constexpr std::int64_t shortest_hold_ns = 20'000'000;
// A fallback law that acts on a measurement of the past drives the robot: a car that brakes on its last known speed ends up
// reversing. In 0.1 s its brake takes 0.2 m/s off 2 m/s; by then an old measurement is still a fair one.
constexpr std::int64_t blind_after_ns = 100'000'000;
// Of plans and operators' words together; who sends more has lost its reason.
constexpr std::size_t most_messages = 64;

std::string milliseconds(const char* format, std::int64_t ns) {
    char text[64];
    std::snprintf(text, sizeof text, format, static_cast<double>(ns) / 1e6);
    return text;
}

}  // namespace

Ladder::Ladder(const Robot& robot, bool operator_arms)
    : robot_(robot),
      stale_after_ns_(3 * robot.plan_period_ns() / 2),
      hold_after_ns_(std::max(3 * robot.plan_period_ns(), shortest_hold_ns)),
      acceptance_(robot, hold_after_ns_, operator_arms) {}

Reject Ladder::offer(Plan plan, std::int64_t now_ns) {
    ++messages_;
    const auto [reason, observed_ns] = acceptance_.judge(plan, now_ns, is_led_);
    if (reason != Reject::none) return reason;
    latency_ns_ = now_ns - observed_ns;
    // What would start later than a newer plan has nothing to say any more, nor has a controller that does not lead.
    while (!waiting_.empty() &&
           (waiting_.back()->plan.start_ns >= plan.start_ns || waiting_.back()->plan.epoch != plan.epoch)) {
        waiting_.pop_back();
    }
    waiting_.push_back(std::make_shared<const AcceptedPlan>(AcceptedPlan{std::move(plan), observed_ns, latency_ns_}));
    return Reject::none;
}

void Ladder::e_stop(const EStop& message) {
    ++messages_;
    if (message.clear && stop_sequence_ && message.sequence <= *stop_sequence_) return;
    stop_sequence_ = std::max(stop_sequence_.value_or(0), message.sequence);
    if (message.clear && stopped_by_.empty()) return;
    latch(message.clear ? "" : "stopped by an operator");
}

bool Ladder::arm(const Arm& message) {
    ++messages_;
    const std::int64_t observed_ns = acceptance_.answered_time(message.answers_sequence);
    return message.robot == robot_.name && message.observed_ns == observed_ns && acceptance_.lease.arm(observed_ns);
}

std::optional<ModeChange> Ladder::step(std::int64_t now_ns) {
    if (measured_ns_ && now_ns - *measured_ns_ >= blind_after_ns && stopped_by_.empty()) {
        latch(milliseconds("no sound measurement for %.0f ms", now_ns - *measured_ns_));
    }
    while (!waiting_.empty() && now_ns >= waiting_.front()->plan.start_ns) {
        plan_ = std::move(waiting_.front());
        waiting_.pop_front();
    }
    const Mode before = mode_;
    std::string reason;
    if (!measured_.empty()) motion_faults_ = mpc_plant::motion_faults(robot_, measured_, !motion_faults_.empty());
    mode_ = decide(now_ns, reason);
    if (follows_plans(mode_)) {
        acceptance_.lease.followed();
    } else if (waiting_.empty()) {
        acceptance_.lease.held(acceptance_.newest_ns());
    }
    messages_ = 0;
    if (mode_ == before) return std::nullopt;
    return ModeChange{now_ns, before, mode_, reason};
}

/// Stop, or go on for "". Plans from before are forgotten, and whoever led has to begin anew.
void Ladder::latch(const std::string& stopped_by) {
    if (stopped_by.empty()) {
        acceptance_.lease.released(acceptance_.newest_ns());
    } else if (stopped_by_.empty()) {
        acceptance_.lease.stopped(acceptance_.newest_ns());
    }
    stopped_by_ = stopped_by;
    plan_.reset();
    waiting_.clear();
}

Mode Ladder::decide(std::int64_t now_ns, std::string& reason) {
    is_led_ = false;
    if (!stopped_by_.empty()) return reason = stopped_by_, Mode::e_stop;
    if (acceptance_.lease.awaits_operator()) return reason = "an operator has to arm the robot", Mode::hold;
    if (!plan_) return reason = "no plan", Mode::hold;
    const PlanFacts facts{now_ns - plan_->observed_ns, plan_->plan.valid_until_ns - now_ns, plan_->plan.epoch,
                          acceptance_.lease.epoch()};
    reason = plan_fault(facts, hold_after_ns_);
    is_led_ = reason.empty();
    if (is_led_) reason = joined(motion_faults_, "; ");
    if (reason.empty()) reason = message_fault(messages_, most_messages);
    if (!reason.empty()) return Mode::hold;
    const AcceptedPlan& newest = waiting_.empty() ? *plan_ : *waiting_.back();
    const std::int64_t newest_age_ns = now_ns - newest.observed_ns;
    if (newest_age_ns >= stale_after_ns_ + newest.latency_ns) {
        return reason = milliseconds("no plan for %.1f ms", newest_age_ns), Mode::stale_plan;
    }
    return reason = "fresh plan", Mode::nominal;
}

}  // namespace mpc_plant
