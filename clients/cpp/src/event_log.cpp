#include "mpc_plant/event_log.hpp"

#include <utility>

namespace mpc_plant {
namespace {

constexpr std::int64_t pause_ns = 1'000'000'000;

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

std::uint64_t Totals::rejected() const {
    std::uint64_t sum = 0;
    for (const auto& [reason, count] : rejected_plans) sum += count;
    return sum;
}

Event Totals::event(std::int64_t time_ns, bool is_last) const {
    const std::string interventions = std::to_string(safety_interventions);
    std::map<std::string, std::string> details{{"safety_interventions", interventions},
                                               {"limited_ticks", std::to_string(limited_ticks)},
                                               {"invalid_measurements", std::to_string(invalid_measurements)},
                                               {"overruns", std::to_string(overruns)},
                                               {"rejected_plans", std::to_string(rejected())}};
    for (const auto& [reason, count] : rejected_plans) details["rejected_plans." + reason] = std::to_string(count);
    const std::string which = is_last ? "totals of the run" : "totals so far";
    return {EventKind::info, time_ns, "plant", which + ": " + interventions + " safety interventions", 1, details};
}

bool Totals::differs_from(const Totals& other) const {
    return safety_interventions != other.safety_interventions || limited_ticks != other.limited_ticks ||
           invalid_measurements != other.invalid_measurements || overruns != other.overruns ||
           rejected() != other.rejected();
}

bool TotalsLog::is_due(const Totals& totals, std::int64_t time_ns, bool is_last) {
    if (!is_last && was_told_ && (time_ns - told_ns_ < pause_ns || !totals.differs_from(told_))) return false;
    was_told_ = true;
    told_ns_ = time_ns;
    told_ = totals;
    return true;
}

}  // namespace mpc_plant
