#include "mpc_plant/codec.hpp"

#include <algorithm>

#include "wire.pb.h"

namespace mpc_plant {
namespace {

namespace wire = mpc_controller::wire;

constexpr std::size_t most_fields = 256;
constexpr int most_tracking_errors = 64;

template <typename Repeated>
Vector vector_of(const Repeated& values) {
    return Vector(values.begin(), values.end());
}

template <typename Message>
Refusal parse(std::string_view frame, Message& message) {
    const std::string_view payload = frame.substr(header_size);
    if (payload.size() > largest_other) {
        const Refusal refusal = check_field_count(payload, most_fields);
        if (refusal != Refusal::none) return refusal;
    }
    // The largest frame has 1 MiB here, so the size fits.
    return message.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ? Refusal::none : Refusal::payload;
}

/// Whether all arrays have the entries that the sizes ask for. Each product is bounded by the array that was checked before.
Refusal check_sizes(const wire::Plan& plan) {
    const std::uint64_t n = plan.intervals(), nx = plan.nx(), nu = plan.nu(), ndx = plan.ndx();
    const std::uint64_t points = n == 0 ? 0 : n + 1;
    const auto size = [](const auto& array) { return static_cast<std::uint64_t>(array.size()); };
    if (size(plan.times_ns()) != points) return Refusal::shape;
    if ((nx == 0) != (n == 0) || (nu == 0) != (n == 0) || (ndx == 0) != (n == 0)) return Refusal::shape;
    if (plan.tracking_size() > most_tracking_errors) return Refusal::shape;
    const auto& times = plan.times_ns();
    const auto not_rising = [](std::int64_t a, std::int64_t b) { return b <= a; };
    if (std::adjacent_find(times.begin(), times.end(), not_rising) != times.end()) return Refusal::value;
    if (size(plan.states()) != points * nx || size(plan.controls()) != n * nu) return Refusal::shape;
    return size(plan.gains()) == n * nu * ndx ? Refusal::none : Refusal::shape;
}

}  // namespace

void silence_parser() {
#if GOOGLE_PROTOBUF_VERSION < 4022000
    google::protobuf::SetLogHandler(nullptr);
#endif
}

const char* name_of(Mode mode) {
    switch (mode) {
        case Mode::nominal: return "NOMINAL";
        case Mode::stale_plan: return "STALE_PLAN";
        case Mode::hold: return "HOLD";
        case Mode::e_stop: return "E_STOP";
    }
    return "";
}

std::string encode(const Observation& m) {
    wire::Observation w;
    w.set_robot(m.robot);
    w.set_model_hash(m.model_hash);
    w.set_sequence(m.sequence);
    w.set_time_ns(m.time_ns);
    w.mutable_measured()->Assign(m.measured.begin(), m.measured.end());
    w.mutable_control()->Assign(m.control.begin(), m.control.end());
    w.set_mode(static_cast<wire::Mode>(m.mode));
    w.set_plan_epoch(m.plan_epoch);
    w.set_plan_sequence(m.plan_sequence);
    w.set_plan_age_ns(m.plan_age_ns);
    w.set_latency_ns(m.latency_ns);
    w.set_plan_period_ns(m.plan_period_ns);
    w.set_awaits_operator(m.awaits_operator);
    return wrap(Kind::observation, w.SerializeAsString());
}

std::string encode(const Truth& m) {
    wire::Truth w;
    w.set_sequence(m.sequence);
    w.set_time_ns(m.time_ns);
    w.mutable_state()->Assign(m.state.begin(), m.state.end());
    return wrap(Kind::truth, w.SerializeAsString());
}

std::string encode(const Event& m) {
    wire::Event w;
    w.set_kind(static_cast<wire::EventKind>(m.kind));
    w.set_time_ns(m.time_ns);
    w.set_source(m.source);
    w.set_text(m.text);
    w.set_count(m.count);
    w.mutable_details()->insert(m.details.begin(), m.details.end());
    return wrap(Kind::event, w.SerializeAsString());
}

Refusal decode(std::string_view frame, Plan& plan) {
    wire::Plan w;
    Refusal refusal = parse(frame, w);
    if (refusal == Refusal::none) refusal = check_sizes(w);
    if (refusal == Refusal::none && !wire::Claim_IsValid(w.claim())) refusal = Refusal::value;
    if (refusal != Refusal::none) return refusal;
    plan.robot = w.robot();
    plan.model_hash = w.model_hash();
    plan.epoch = w.epoch();
    plan.sequence = w.sequence();
    plan.answers_sequence = w.answers_sequence();
    plan.start_ns = w.start_ns();
    plan.valid_until_ns = w.valid_until_ns();
    plan.status = static_cast<int>(w.status());
    plan.intervals = w.intervals();
    plan.nx = w.nx();
    plan.nu = w.nu();
    plan.ndx = w.ndx();
    plan.times_ns.assign(w.times_ns().begin(), w.times_ns().end());
    plan.states = vector_of(w.states());
    plan.controls = vector_of(w.controls());
    plan.gains = vector_of(w.gains());
    plan.claim = static_cast<Claim>(w.claim());
    return Refusal::none;
}

Refusal decode(std::string_view frame, EStop& stop) {
    wire::EStop w;
    const Refusal refusal = parse(frame, w);
    if (refusal != Refusal::none) return refusal;
    stop = {w.sequence(), w.clear()};
    return Refusal::none;
}

Refusal decode(std::string_view frame, Arm& arm) {
    wire::Arm w;
    const Refusal refusal = parse(frame, w);
    if (refusal != Refusal::none) return refusal;
    arm = {w.robot(), w.answers_sequence(), w.observed_ns()};
    return Refusal::none;
}

}  // namespace mpc_plant
