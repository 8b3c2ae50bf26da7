#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mpc_plant/vector.hpp"

namespace mpc_plant {

/// The ladder of the plant. E_STOP is latched.
enum class Mode { nominal = 0, stale_plan = 1, hold = 2, e_stop = 3 };

const char* name_of(Mode mode);

inline bool follows_plans(Mode mode) { return mode == Mode::nominal || mode == Mode::stale_plan; }

enum class EventKind { mode_change = 0, rejected = 1, safety = 2, estimator = 3, solver = 4, parameters = 5, info = 6 };

/// wire.proto says what each field means; times are nanoseconds of the plant's clock.
struct Observation {
    std::string robot, model_hash;
    std::uint64_t sequence = 0;
    std::int64_t time_ns = 0;
    Vector measured, control;
    Mode mode = Mode::hold;
    std::uint64_t plan_epoch = 0, plan_sequence = 0;
    std::int64_t plan_age_ns = 0, latency_ns = -1, plan_period_ns = 0;
    bool awaits_operator = false;
};

struct Truth {
    std::uint64_t sequence = 0;
    std::int64_t time_ns = 0;
    Vector state;
};

struct Event {
    EventKind kind = EventKind::info;
    std::int64_t time_ns = 0;
    std::string source, text;
    std::uint64_t count = 1;
    std::map<std::string, std::string> details;
};

/// What a plan says about a plant that its controller does not lead.
enum class Claim { none = 0, if_free = 1, take_over = 2 };

/// What a plant uses of a plan: times (N+1), states (N+1, nx), controls (N, nu), gains (N, nu, ndx), the sizes as told. The
/// codec gives only those whose arrays have these sizes and whose times ascend.
struct Plan {
    std::string robot, model_hash;
    std::uint64_t epoch = 0, sequence = 0, answers_sequence = 0;
    std::int64_t start_ns = 0, valid_until_ns = 0;
    int status = 0;
    std::size_t intervals = 0, nx = 0, nu = 0, ndx = 0;
    std::vector<std::int64_t> times_ns;
    Vector states, controls, gains;
    Claim claim = Claim::none;
};

struct EStop {
    std::uint64_t sequence = 0;
    bool clear = false;
};

/// An operator's word that controllers may lead the robot.
struct Arm {
    std::string robot;
    std::uint64_t answers_sequence = 0;
    std::int64_t observed_ns = 0;
};

}  // namespace mpc_plant
