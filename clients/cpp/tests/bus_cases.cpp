#include "cases.hpp"
#include "mpc_plant/inbox.hpp"

using namespace mpc_plant;

namespace {

Vector as_numbers(const std::vector<std::size_t>& values) { return Vector(values.begin(), values.end()); }

void check_message(const Json& expected, const Plan& plan, Checker& checker) {
    checker.same("robot", plan.robot, expected["robot"].text());
    checker.same("model_hash", plan.model_hash, expected["model_hash"].text());
    checker.same("epoch", std::to_string(plan.epoch), std::to_string(expected["epoch"].natural()));
    checker.same("sequence", std::to_string(plan.sequence), std::to_string(expected["sequence"].natural()));
    checker.same("answers_sequence", std::to_string(plan.answers_sequence),
                 std::to_string(expected["answers_sequence"].natural()));
    checker.same("start_ns", plan.start_ns, expected["start_ns"].integer());
    checker.same("valid_until_ns", plan.valid_until_ns, expected["valid_until_ns"].integer());
    checker.same("claim", static_cast<std::int64_t>(plan.claim), expected["claim"].integer());
    checker.same("status", plan.status, expected["status"].integer());
    checker.close("times_ns", Vector(plan.times_ns.begin(), plan.times_ns.end()), expected["times_ns"].vector());
    checker.close("states", plan.states, expected["states"].vector());
    checker.close("controls", plan.controls, expected["controls"].vector());
    checker.close("gains", plan.gains, expected["gains"].vector());
}

void check_message(const Json& expected, const EStop& stop, Checker& checker) {
    checker.same("sequence", std::to_string(stop.sequence), std::to_string(expected["sequence"].natural()));
    checker.same("clear", stop.clear, expected["clear"].flag());
}

void check_message(const Json& expected, const Arm& arm, Checker& checker) {
    checker.same("robot", arm.robot, expected["robot"].text());
    checker.same("answers_sequence", std::to_string(arm.answers_sequence),
                 std::to_string(expected["answers_sequence"].natural()));
    checker.same("observed_ns", arm.observed_ns, expected["observed_ns"].integer());
}

/// Which of a plan, a stop and an arming is expected: where it is in the variant.
std::size_t kind_of(const Json& expected) { return expected.has("clear") ? 1 : expected.has("epoch") ? 0 : 2; }

}  // namespace

void check_frames(const Json& test, Checker& checker) {
    std::vector<std::string> frames;
    for (const Json& frame : test["frames"].list()) {
        frames.push_back(frame["hex"].bytes());
        if (frame.has("zeros")) frames.back().append(frame["zeros"].natural(), '\0');
    }
    Inbox inbox;
    const Inbox::Read read = inbox.read(frames);
    for (const char* reason : {"magic", "version", "kind", "truncated", "size", "payload", "shape", "value"}) {
        const std::int64_t expected = test["refused"].has(reason) ? test["refused"][reason].integer() : 0;
        const auto found = inbox.refused.find(reason);
        checker.same(reason, found == inbox.refused.end() ? 0 : static_cast<std::int64_t>(found->second), expected);
    }
    checker.same("dropped", static_cast<std::int64_t>(inbox.dropped), test["dropped"].integer());
    checker.close("repeated", as_numbers(read.repeated), test["repeated"].vector());
    const std::vector<Json> messages = test["messages"].list();
    checker.same("messages", static_cast<std::int64_t>(read.messages.size()), static_cast<std::int64_t>(messages.size()));
    for (std::size_t i = 0; i < messages.size() && i < read.messages.size(); ++i) {
        const std::size_t kind = read.messages[i].index();
        checker.same("kind", static_cast<std::int64_t>(kind), static_cast<std::int64_t>(kind_of(messages[i])));
        if (kind != kind_of(messages[i])) continue;
        std::visit([&](const auto& message) { check_message(messages[i], message, checker); }, read.messages[i]);
    }
}
