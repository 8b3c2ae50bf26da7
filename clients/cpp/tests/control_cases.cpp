#include <stdexcept>

#include "cases.hpp"
#include "mpc_plant/codec.hpp"
#include "mpc_plant/ladder.hpp"
#include "mpc_plant/safety_gate.hpp"
#include "mpc_plant/tracker.hpp"

using namespace mpc_plant;

namespace {

Plan plan_of(const std::string& frame) {
    Plan plan;
    Kind kind = Kind::event;
    if (read_header(frame, kind) != Refusal::none || kind != Kind::plan || decode(frame, plan) != Refusal::none) {
        throw std::runtime_error("a vector has a frame that is no plan");
    }
    return plan;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += word + "; ";
    return text;
}

std::string joined(const std::vector<Json>& words) {
    std::string text;
    for (const Json& word : words) text += word.text() + "; ";
    return text;
}

PlanAcceptance judge_of(const Json& test, const Robot& robot) {
    PlanAcceptance judge(robot, test["oldest_ns"].integer(), test["operator_arms"].flag());
    const Json observed = test["observed"];
    for (std::int64_t k = 0; k < observed["count"].integer(); ++k) {
        judge.observed(observed["first"].natural() + static_cast<std::uint64_t>(k),
                       observed["start_ns"].integer() + k * observed["period_ns"].integer());
    }
    judge.judge(plan_of(test["first"].bytes()), test["now_ns"].integer(), false);
    return judge;
}

void check_step(const Json& step, std::uint64_t sequence, Ladder& ladder, Checker& checker) {
    const std::int64_t now_ns = step["now_ns"].integer();
    ladder.observed(sequence, now_ns);
    const Vector measured = step["measured"].vector();
    if (!measured.empty()) ladder.measured(now_ns, measured);
    std::vector<std::string> refused;
    for (const Json& entry : step["frames"].list()) {
        const std::string frame = entry.bytes();
        EStop stop;
        Arm arm;
        Kind kind = Kind::event;
        read_header(frame, kind);
        if (kind == Kind::plan) {
            refused.emplace_back(name_of(ladder.offer(plan_of(frame), now_ns)));
        } else if (kind == Kind::arm && decode(frame, arm) == Refusal::none) {
            ladder.arm(arm);
        } else if (decode(frame, stop) == Refusal::none) {
            ladder.e_stop(stop);
        }
    }
    const auto change = ladder.step(now_ns);
    const std::string where = " at " + std::to_string(now_ns) + " ns";
    checker.same("refused" + where, joined(refused), joined(step["refused"].list()));
    checker.same("mode" + where, name_of(ladder.mode()), step["mode"].text());
    checker.same("why" + where, change ? change->reason : "", step["why"].text());
    checker.same("latency" + where, ladder.latency_ns(), step["latency_ns"].integer());
    checker.same("epoch" + where, static_cast<std::int64_t>(ladder.lease().epoch()), step["epoch"].integer());
    checker.same("awaits_operator" + where, ladder.lease().awaits_operator(), step["awaits_operator"].flag());
    Vector followed;
    if (const auto& plan = ladder.plan()) {
        followed = {static_cast<double>(plan->plan.epoch), static_cast<double>(plan->plan.sequence),
                    static_cast<double>(plan->observed_ns)};
    }
    checker.close("followed" + where, followed, step["followed"].vector());
}

void check_faults(const Json& test, const Robot& robot, Checker& checker) {
    for (const Json& motion : test["motions"].list()) {
        const auto faults = motion_faults(robot, motion["measured"].vector(), motion["is_braked"].flag());
        checker.same("faults at " + motion["measured"].dump(), joined(faults), joined(motion["faults"].list()));
    }
    for (const Json& plan : test["plans"].list()) {
        const PlanFacts facts{plan["age_ns"].integer(), plan["valid_ns"].integer(), plan["epoch"].natural(), 3};
        checker.same("fault of " + plan.dump(), plan_fault(facts, test["oldest_ns"].integer()), plan["fault"].text());
    }
}

}  // namespace

void check_acceptance(const Json& test, Checker& checker) {
    const Robot robot = robot_of(test);
    auto judge = std::make_unique<PlanAcceptance>(judge_of(test, robot));
    std::size_t index = 0;
    for (const Json& offered : test["plans"].list()) {
        if (test["one_judge_each"].flag()) judge = std::make_unique<PlanAcceptance>(judge_of(test, robot));
        const Plan plan = plan_of(offered["frame"].bytes());
        const auto verdict = judge->judge(plan, test["now_ns"].integer(), offered["is_led"].flag());
        const std::string where = " of plan " + std::to_string(index++);
        checker.same("reason" + where, name_of(verdict.reason), offered["reason"].text());
        checker.same("observed_ns" + where, verdict.observed_ns, offered["observed_ns"].integer());
        checker.same("epoch" + where, std::to_string(judge->lease.epoch()), std::to_string(offered["epoch"].natural()));
    }
}

void check_gate(const Json& test, Checker& checker) {
    if (test.has("motions")) {
        check_faults(test, robot_of(test), checker);
        return;
    }
    const CommandLimits limits(robot_of(test));
    checker.close("step", limits.step, test["step"].vector());
    for (const Json& command : test["commands"].list()) {
        const Gated gated = gate(command["asked"].vector(), command["last"].vector(), limits);
        checker.close("sent for " + command["asked"].dump(), gated.command, command["sent"].vector());
        checker.same("reasons for " + command["asked"].dump(), joined(gated.reasons), joined(command["reasons"].list()));
    }
}

void check_ladder(const Json& test, Checker& checker) {
    const Robot robot = robot_of(test);
    Ladder ladder(robot, test["operator_arms"].flag());
    std::uint64_t sequence = 0;
    for (const Json& step : test["steps"].list()) check_step(step, ++sequence, ladder, checker);
}

void check_tracker(const Json& test, Checker& checker) {
    const Robot robot = robot_of(test);
    const Plan plan = plan_of(test["plan"].bytes());
    for (const Json& sample : test["samples"].list()) {
        const std::int64_t time_ns = sample["time_ns"].integer();
        const std::string where = " at " + std::to_string(time_ns) + " ns";
        checker.close("state" + where, state_at(plan, robot.manifold, time_ns), sample["state"].vector());
        checker.close("command" + where, tracking_command(robot, plan, time_ns, sample["measured"].vector()),
                      sample["command"].vector());
    }
}
