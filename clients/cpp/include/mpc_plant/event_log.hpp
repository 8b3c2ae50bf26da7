#pragma once

#include <map>
#include <string>
#include <vector>

#include "mpc_plant/messages.hpp"

namespace mpc_plant {

/// Events of the plant: counted always, told at most once a second each.
class EventLog {
public:
    using Details = std::map<std::string, std::string>;

    /// Adds an event. Those with a `topic` are counted by it and told at most once a second.
    void tell(EventKind kind, std::int64_t time_ns, std::string text, const std::string& topic = "", Details details = {});

    /// What is to be sent now.
    std::vector<Event> drain();

private:
    struct Topic {
        std::uint64_t count = 0;
        std::int64_t told_ns = 0;
    };

    std::vector<Event> pending_;
    std::map<std::string, Topic> topics_;
};

/// What a plant counts while it runs.
struct Totals {
    std::uint64_t ticks = 0, safety_interventions = 0, limited_ticks = 0, invalid_measurements = 0, overruns = 0;
    std::uint64_t accepted_plans = 0, unread_plans = 0;    // unread: older than others that came with them
    std::map<std::string, std::uint64_t> rejected_plans, rejected_frames;  // by reason

    /// Refused plans, of all reasons.
    std::uint64_t rejected() const;

    /// As the event that tells them.
    Event event(std::int64_t time_ns, bool is_last) const;
};

/// Tells the totals once a second, and at the end.
class TotalsLog {
public:
    bool is_due(std::int64_t time_ns, bool is_last);

private:
    bool was_told_ = false;
    std::int64_t told_ns_ = 0;
};

}  // namespace mpc_plant
