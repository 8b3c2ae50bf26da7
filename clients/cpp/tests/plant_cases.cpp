#include <algorithm>

#include "cases.hpp"
#include "mpc_plant/frame.hpp"
#include "mpc_plant/plant.hpp"
#include "wire.pb.h"

using namespace mpc_plant;

namespace {

namespace wire = mpc_controller::wire;

/// Plant, link and clock in one: what a script gives, and what the loop did with it.
class Script final : public Plant, public Link, public Clock {
public:
    Script(const Json& test, const Robot& robot) : robot_(robot), ticks_(test["ticks"].list()) {
        for (const Json& row : test["hold_gain"].list()) hold_gain_.push_back(row.vector());
        for (const Json& position : test["noisy"].list()) noisy_.push_back(position.natural());
        keeps_still_ = test["keeps_still"].flag();
        if (keeps_still_) health_["temperature_celsius"] = test["temperature_celsius"].number();
    }

    std::int64_t tick() noexcept override {
        frames.emplace_back();
        return current()["time_ns"].integer();
    }

    Reading read() noexcept override {
        return {current()["measured"].vector(), current().has("truth") ? current()["truth"].vector() : Vector(), ""};
    }

    std::vector<std::size_t> noisy() noexcept override { return noisy_; }

    std::vector<std::string> receive() noexcept override { return given(next_); }

    void send(const std::string& frame) noexcept override { frames.back().push_back(frame); }

    void apply(const Vector& u) noexcept override {
        commands.push_back(u);
        stop = ++next_ == ticks_.size();
    }

    Vector hold(const Vector& state, const Vector& planned) noexcept override {
        const Vector error = robot_.manifold.difference(state.data(), planned.data());
        Vector u(hold_gain_.size(), 0.0);
        for (std::size_t i = 0; i < u.size(); ++i) {
            for (std::size_t j = 0; j < error.size(); ++j) u[i] += hold_gain_[i][j] * error[j];
        }
        return u;
    }

    bool keeps_still(Mode) noexcept override {
        if (!keeps_still_) return false;
        commands.emplace_back();
        stop = ++next_ == ticks_.size();
        return true;
    }

    std::map<std::string, double> health() noexcept override { return health_; }

    std::vector<std::string> given(std::size_t tick) const {
        std::vector<std::string> result;
        for (const Json& frame : ticks_[tick]["frames"].list()) result.push_back(frame.bytes());
        return result;
    }

    std::vector<std::vector<std::string>> frames;  // sent, by tick; the last words are with the last
    std::vector<Vector> commands;  // empty where the robot kept still by itself
    std::atomic<bool> stop{false};

private:
    const Json& current() const { return ticks_[next_]; }

    const Robot& robot_;
    std::vector<Json> ticks_;
    std::vector<Vector> hold_gain_;
    std::vector<std::size_t> noisy_;
    bool keeps_still_ = false;
    std::map<std::string, double> health_;
    std::size_t next_ = 0;
};

template <typename Repeated>
Vector vector_of(const Repeated& values) {
    return Vector(values.begin(), values.end());
}

void check_observation(const Json& expected, const wire::Observation& sent, const Robot& robot, Checker& checker) {
    checker.same("robot", sent.robot(), robot.name);
    checker.same("model_hash", sent.model_hash(), robot.model_hash);
    checker.same("sequence", static_cast<std::int64_t>(sent.sequence()), expected["sequence"].integer());
    checker.same("time_ns", sent.time_ns(), expected["time_ns"].integer());
    checker.close("measured", vector_of(sent.measured()), expected["measured"].vector());
    checker.close("control", vector_of(sent.control()), expected["control"].vector());
    checker.same("mode", wire::Mode_Name(sent.mode()), "MODE_" + expected["mode"].text());
    checker.same("plan_epoch", static_cast<std::int64_t>(sent.plan_epoch()), expected["plan_epoch"].integer());
    checker.same("plan_sequence", static_cast<std::int64_t>(sent.plan_sequence()), expected["plan_sequence"].integer());
    checker.same("plan_age_ns", sent.plan_age_ns(), expected["plan_age_ns"].integer());
    checker.same("latency_ns", sent.latency_ns(), expected["latency_ns"].integer());
    checker.same("lock_step", sent.lock_step(), expected["lock_step"].flag());
    checker.same("awaits_operator", sent.awaits_operator(), expected["awaits_operator"].flag());
    checker.same("plan_period_ns", sent.plan_period_ns(), expected["plan_period_ns"].integer());
}

void check_event(const Json& expected, const wire::Event& sent, Checker& checker) {
    checker.same("kind", sent.kind(), expected["kind"].integer());
    checker.same("time_ns", sent.time_ns(), expected["time_ns"].integer());
    checker.same("source", sent.source(), expected["source"].text());
    checker.same("count", static_cast<std::int64_t>(sent.count()), expected["count"].integer());
    if (expected.has("text")) checker.same("text", sent.text(), expected["text"].text());
    std::int64_t others = 0;
    for (const auto& [name, value] : sent.details()) {
        if (expected["details"].has(name)) {
            checker.same(name, value, expected["details"][name].text());
        } else {
            others += name != "asked" && name != "sent";
        }
    }
    checker.same("details that are not expected", others, 0);
}

void check_sent(const Json& expected, const std::string& frame, const Json& given, const Robot& robot, Checker& checker) {
    Kind kind = Kind::plan;
    const Refusal refusal = read_header(frame, kind);
    const std::string payload = frame.substr(std::min(frame.size(), header_size));
    checker.same("header", name_of(refusal), "");
    if (expected.has("repeats")) {
        const std::string original = given.list()[expected["repeats"].natural()].bytes();
        checker.same("is a repeat", original == frame, true);
    } else if (expected.has("observation")) {
        wire::Observation sent;
        checker.same("is an observation", kind == Kind::observation && sent.ParseFromString(payload), true);
        check_observation(expected["observation"], sent, robot, checker);
    } else if (expected.has("truth")) {
        wire::Truth sent;
        checker.same("is a truth", kind == Kind::truth && sent.ParseFromString(payload), true);
        checker.same("sequence", static_cast<std::int64_t>(sent.sequence()), expected["truth"]["sequence"].integer());
        checker.same("time_ns", sent.time_ns(), expected["truth"]["time_ns"].integer());
        checker.close("state", vector_of(sent.state()), expected["truth"]["state"].vector());
    } else {
        wire::Event sent;
        checker.same("is an event", kind == Kind::event && sent.ParseFromString(payload), true);
        check_event(expected["event"], sent, checker);
    }
}

}  // namespace

void check_plant(const Json& test, Checker& checker) {
    const Robot robot = robot_of(test);
    Script script(test, robot);
    RunOptions options;
    options.operator_arms = test["operator_arms"].flag();
    run(script, robot, script, script, options, script.stop);
    const std::vector<Json> ticks = test["ticks"].list();
    for (std::size_t k = 0; k < ticks.size(); ++k) {
        checker.begin("plant, " + test["name"].text() + ", tick " + std::to_string(k));
        checker.close("command", script.commands[k], ticks[k]["command"].vector());
        const std::vector<Json> expected = ticks[k]["sent"].list();
        checker.same("messages", static_cast<std::int64_t>(script.frames[k].size()), static_cast<std::int64_t>(expected.size()));
        for (std::size_t i = 0; i < std::min(expected.size(), script.frames[k].size()); ++i) {
            check_sent(expected[i], script.frames[k][i], ticks[k]["frames"], robot, checker);
        }
    }
}
