#include "mpc_plant/event_log.hpp"

#include <utility>

namespace mpc_plant {
namespace {

constexpr std::int64_t pause_ns = 1'000'000'000;

std::uint64_t sum_of(const std::map<std::string, std::uint64_t>& counts) {
    std::uint64_t sum = 0;
    for (const auto& [reason, count] : counts) sum += count;
    return sum;
}

}  // namespace

void EventLog::tell(EventKind kind, std::int64_t time_ns, std::string text, const std::string& topic, Details details) {
    std::uint64_t count = 1;
    if (!topic.empty()) {
        Topic& about = topics_[topic];
        count = ++about.count;
        if (count > 1 && 0 <= time_ns - about.told_ns && time_ns - about.told_ns < pause_ns) return;
        about.told_ns = time_ns;
    }
    pending_.push_back({kind, time_ns, "plant", std::move(text), count, std::move(details)});
}

std::vector<Event> EventLog::drain() { return std::exchange(pending_, {}); }

std::uint64_t Totals::rejected() const { return sum_of(rejected_plans); }

Event Totals::event(std::int64_t time_ns, bool is_last) const {
    const std::string interventions = std::to_string(safety_interventions);
    std::map<std::string, std::string> details{{"safety_interventions", interventions},
                                               {"limited_ticks", std::to_string(limited_ticks)},
                                               {"invalid_measurements", std::to_string(invalid_measurements)},
                                               {"overruns", std::to_string(overruns)},
                                               {"accepted_plans", std::to_string(accepted_plans)},
                                               {"unread_plans", std::to_string(unread_plans)},
                                               {"rejected_plans", std::to_string(rejected())},
                                               {"rejected_frames", std::to_string(sum_of(rejected_frames))}};
    for (const auto& [reason, count] : rejected_plans) details["rejected_plans." + reason] = std::to_string(count);
    for (const auto& [reason, count] : rejected_frames) details["rejected_frames." + reason] = std::to_string(count);
    const std::string which = is_last ? "totals of the run" : "totals so far";
    return {EventKind::info, time_ns, "plant", which + ": " + interventions + " safety interventions", 1, details};
}

bool TotalsLog::is_due(std::int64_t time_ns, bool is_last) {
    if (!is_last && was_told_ && time_ns - told_ns_ < pause_ns) return false;
    was_told_ = true;
    told_ns_ = time_ns;
    return true;
}

}  // namespace mpc_plant
