#include "mpc_plant/plant.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>
#include <variant>

#include "mpc_plant/codec.hpp"
#include "mpc_plant/hold.hpp"
#include "mpc_plant/inbox.hpp"
#include "mpc_plant/ladder.hpp"
#include "mpc_plant/measurement.hpp"
#include "mpc_plant/safety_gate.hpp"
#include "mpc_plant/text.hpp"
#include "mpc_plant/tracker.hpp"

namespace mpc_plant {
namespace {

// After a change of mode the command slides to its new source; longer than from limit to limit on any robot (20 ms at most).
constexpr std::int64_t slide_ns = 200'000'000;
constexpr std::int64_t health_period_ns = 1'000'000'000;

/// The shortest text that gives the same number back.
std::string shortest(double value) {
    char text[40];
    for (int digits = 1; digits <= 17; ++digits) {
        std::snprintf(text, sizeof text, "%.*g", digits, value);
        if (std::strtod(text, nullptr) == value) break;
    }
    return text;
}

std::string text_of(const Vector& values) {
    std::string text = "[";
    for (const double value : values) {
        char number[32];
        std::snprintf(number, sizeof number, text.size() > 1 ? " %.8g" : "%.8g", value);
        text += number;
    }
    return text + "]";
}

/// One tick after the other: publish, take plans in, decide the mode, make a command and gate it.
class Node {
public:
    Node(Plant& plant, const Robot& robot, Link& link, const Clock& clock, bool operator_arms)
        : robot_(robot),
          link_(link),
          clock_(clock),
          ladder_(robot, operator_arms),
          hold_(robot, [&plant](const Vector& state, const Vector& planned) { return plant.hold(state, planned); }),
          check_(robot, plant.noisy()),
          limits_(robot),
          command_(robot.neutral) {}

    /// The plant's time, which rises, whatever its clock does: else no plan and no measurement would grow old any more.
    std::int64_t time_of(std::int64_t clock_ns) {
        std::int64_t now_ns = clock_ns + shift_ns_;
        if (sequence_ > 0 && now_ns <= now_ns_) {
            const std::int64_t back_ns = now_ns_ + robot_.tick_ns() - now_ns;
            shift_ns_ += back_ns;
            now_ns += back_ns;
            char text[32];
            std::snprintf(text, sizeof text, "%g", static_cast<double>(back_ns) / 1e6);
            events_.tell(EventKind::safety, now_ns, "the clock went back by " + std::string(text) + " ms; the plant's time goes on",
                         "clock");
        }
        return now_ns;
    }

    /// Sends what was measured, sound or not: a receiver refuses what is not.
    void publish(std::int64_t now_ns, const Reading& reading) {
        now_ns_ = now_ns;
        ++sequence_;
        const Plan* plan = followed_ ? &followed_->plan : nullptr;
        Observation observation{robot_.name,
                                robot_.model_hash,
                                sequence_,
                                now_ns,
                                reading.measured,
                                command_,
                                ladder_.mode(),
                                ladder_.lease().epoch(),
                                plan ? plan->sequence : 0,
                                plan ? now_ns - followed_->observed_ns : 0,
                                ladder_.latency_ns(),
                                robot_.plan_period_ns(),
                                ladder_.lease().awaits_operator()};
        ladder_.observed(sequence_, now_ns);
        send(encode(observation));
        if (!reading.truth.empty()) send(encode(Truth{sequence_, now_ns, reading.truth}));
        take_measurement(reading.measured);
    }

    /// Plans and operators' words that have come.
    void take_in() {
        const std::vector<std::string> frames = link_.receive();
        auto [messages, repeated] = inbox_.read(frames);
        for (const std::size_t i : repeated) link_.send(frames[i]);
        for (auto& message : messages) {
            if (auto* plan = std::get_if<Plan>(&message)) {
                offer(std::move(*plan));
            } else if (const auto* stop = std::get_if<EStop>(&message)) {
                ladder_.e_stop(*stop);
            } else if (ladder_.arm(std::get<Arm>(message))) {
                events_.tell(EventKind::info, now_ns_, "armed by an operator");
            }
        }
    }

    /// The command of this tick: of the mode, through the gate.
    const Vector& command() {
        const bool was_braked = !ladder_.motion_faults().empty();
        const auto change = ladder_.step(now_ns_);
        if (!ladder_.motion_faults().empty() && !was_braked) tell_braked(ladder_.motion_faults());
        if (change) enter(*change);
        const bool awaits = ladder_.lease().awaits_operator();
        if (awaits && !awaited_) events_.tell(EventKind::safety, now_ns_, "an operator has to arm the robot", "arming");
        awaited_ = awaits;
        const Vector wanted = asked();
        Gated gated = gate(wanted, command_, limits_);
        if (!gated.reasons.empty()) count_gated(gated, wanted);
        command_ = std::move(gated.command);
        ++totals_.ticks;
        tell(false);
        return command_;
    }

    /// The robot keeps still by its own means: the next command starts from where it is, not from what was not applied.
    void rest() {
        const Vector here = hold_.here(measured_);
        command_ = gate(here, here, limits_).command;
    }

    Mode mode() const { return ladder_.mode(); }

    bool is_still() const { return mode() == Mode::hold || mode() == Mode::e_stop; }

    bool is_health_due() const { return now_ns_ - health_ns_ >= health_period_ns; }

    /// What the robot reports of itself, as an event where there is any.
    void tell_health(const std::map<std::string, double>& health) {
        health_ns_ = now_ns_;
        if (health.empty()) return;
        EventLog::Details details;
        for (const auto& [name, value] : health) details[name] = shortest(value);
        send(encode(Event{EventKind::info, now_ns_, "plant", "health of the robot", 1, details}));
    }

    /// Says the last words.
    Totals finish() {
        tell(true);
        return totals_;
    }

private:
    void send(const std::string& frame) {
        if (!frame.empty()) link_.send(frame);
    }

    void take_measurement(const Vector& measured) {
        const std::string fault = check_.fault_of(measured, now_ns_);
        if (fault.empty()) {
            measured_ = measured;
            ladder_.measured(now_ns_, measured);
            return;
        }
        ++totals_.invalid_measurements;
        const std::string text = "the driver gave " + text_of(measured) + "; " + fault;
        events_.tell(EventKind::rejected, now_ns_, text, "invalid measurement");
    }

    void offer(Plan plan) {
        const std::string which = "plan " + std::to_string(plan.sequence) + " of epoch " + std::to_string(plan.epoch);
        const std::string detail = detail_of(plan, robot_);
        const Reject reason = ladder_.offer(std::move(plan), now_ns_);
        // That the robot is stopped, or awaits an operator, was told when it began.
        if (reason == Reject::none || reason == Reject::awaits_operator || ladder_.is_stopped()) return;
        const bool needs_detail = reason == Reject::wrong_size || reason == Reject::non_finite;
        const std::string why = name_of(reason) + (needs_detail ? " (" + detail + ")" : std::string());
        events_.tell(EventKind::rejected, now_ns_, which + " refused: " + why, name_of(reason));
    }

    void enter(const ModeChange& change) {
        slide_until_ns_ = change.time_ns + slide_ns;
        const auto& plan = ladder_.plan();
        const Vector braked_at = ladder_.motion_faults().empty() ? Vector() : measured_;
        if (plan) {
            hold_.begin(state_at(plan->plan, robot_.manifold, change.time_ns), braked_at);
        } else {
            hold_.begin();
        }
        const std::string before = name_of(change.before), after = name_of(change.after);
        const std::string text = before + " -> " + after + ": " + change.reason;
        events_.tell(EventKind::mode_change, change.time_ns, text, "",
                     {{"from", before}, {"to", after}, {"reason", change.reason}});
    }

    /// What the mode asks for.
    Vector asked() {
        followed_.reset();
        if (ladder_.mode() == Mode::e_stop) {
            Vector zero(robot_.nu());
            for (std::size_t i = 0; i < zero.size(); ++i) zero[i] = clamped(0.0, limits_.lower[i], limits_.upper[i]);
            return zero;
        }
        if (ladder_.mode() == Mode::hold || !ladder_.plan() || measured_.empty()) return hold_.command(measured_);
        followed_ = ladder_.plan();
        return tracking_command(robot_, followed_->plan, now_ns_, measured_);
    }

    /// A slide from one source of commands to another is normal operation; all else that the gate changes is not.
    void count_gated(const Gated& gated, const Vector& wanted) {
        const bool is_slew = gated.reasons.size() == 1 && gated.reasons.front() == "slew";
        if (is_slew && (ladder_.mode() == Mode::hold || now_ns_ < slide_until_ns_)) {
            ++totals_.limited_ticks;
            return;
        }
        ++totals_.safety_interventions;
        events_.tell(EventKind::safety, now_ns_, "command changed by the safety gate: " + joined(gated.reasons, ", "), "safety",
                     {{"asked", text_of(wanted)}, {"sent", text_of(gated.command)}});
    }

    void tell_braked(const std::vector<std::string>& faults) {
        ++totals_.safety_interventions;
        EventLog::Details details;
        for (std::size_t i = 0; i < faults.size(); ++i) details[std::to_string(i)] = faults[i];
        const std::string text = "the safety gate calls for the brake: " + joined(faults, "; ");
        events_.tell(EventKind::safety, now_ns_, text, "brake", details);
    }

    void tell(bool is_last) {
        for (const Event& event : events_.drain()) send(encode(event));
        totals_.overruns = clock_.overruns();
        totals_.accepted_plans = ladder_.acceptance().accepted();
        totals_.rejected_plans = ladder_.acceptance().rejected();
        totals_.unread_plans = inbox_.dropped;
        totals_.rejected_frames = inbox_.refused;
        if (totals_log_.is_due(now_ns_, is_last)) send(encode(totals_.event(now_ns_, is_last)));
    }

    const Robot& robot_;
    Link& link_;
    const Clock& clock_;
    Ladder ladder_;
    Hold hold_;
    MeasurementCheck check_;
    CommandLimits limits_;
    Inbox inbox_;
    EventLog events_;
    Totals totals_;
    TotalsLog totals_log_;
    Vector measured_;  // the last sound ones; empty: none yet
    Vector command_;
    std::shared_ptr<const AcceptedPlan> followed_;  // the plan behind the command
    std::uint64_t sequence_ = 0;
    bool awaited_ = false;  // an operator, at the tick before
    std::int64_t shift_ns_ = 0;  // of the clock, which went back
    std::int64_t now_ns_ = 0, slide_until_ns_ = 0, health_ns_ = -health_period_ns;
};

}  // namespace

Summary run(Plant& plant, const Robot& robot, Link& link, Clock& clock, const RunOptions& options,
            const std::atomic<bool>& stop) noexcept {
    silence_parser();
    Node node(plant, robot, link, clock, options.operator_arms);
    std::string failure;
    std::int64_t start_ns = -1;
    const double tick_s = static_cast<double>(robot.tick_ns()) * 1e-9;
    while (!stop) {
        const std::int64_t now_ns = node.time_of(clock.tick());
        if (start_ns < 0) start_ns = now_ns;
        const double end_ns = (options.duration_s - tick_s / 2) * 1e9;
        if (options.duration_s > 0 && static_cast<double>(now_ns - start_ns) >= end_ns) break;
        const Reading reading = plant.read();
        failure = reading.failure;
        if (!failure.empty()) break;
        node.publish(now_ns, reading);
        node.take_in();
        const Vector& command = node.command();
        if (node.is_still() && plant.keeps_still(node.mode())) {
            node.rest();
        } else {
            plant.apply(command);
        }
        if (node.is_health_due()) node.tell_health(plant.health());
    }
    return {node.finish(), failure};
}

}  // namespace mpc_plant
