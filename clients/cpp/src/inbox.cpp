#include "mpc_plant/inbox.hpp"

#include <algorithm>
#include <utility>

#include "mpc_plant/codec.hpp"

namespace mpc_plant {
namespace {

// The plant follows the newest; two controllers may send in turn for a while. The first, too: where one peer floods, another's
// plan is among them, as ZeroMQ takes from the peers in turn.
constexpr std::size_t first_plans = 4, newest_plans = 4;

}  // namespace

bool Inbox::accepts_header(const std::string& frame, Kind& kind) {
    Refusal refusal = read_header(frame, kind);
    const bool is_plants = kind == Kind::observation || kind == Kind::truth;  // only a plant says that
    if (refusal == Refusal::none && is_plants) refusal = Refusal::kind;
    if (refusal != Refusal::none) ++refused[name_of(refusal)];
    return refusal == Refusal::none;
}

Inbox::Read Inbox::read(const std::vector<std::string>& frames) {
    received += frames.size();
    std::vector<std::pair<std::size_t, Kind>> sound;
    std::size_t plans = 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        Kind kind = Kind::event;
        if (!accepts_header(frames[i], kind)) continue;
        sound.emplace_back(i, kind);
        plans += kind == Kind::plan;
    }

    Read result;
    std::size_t place = 0;  // among the plans
    for (const auto& [i, kind] : sound) {
        Refusal refusal = Refusal::none;
        const bool is_plan = kind == Kind::plan;
        if (is_plan) ++place;
        if (is_plan && place > first_plans && place + newest_plans <= plans) {
            ++dropped;
        } else if (is_plan) {
            Plan plan;
            refusal = decode(frames[i], plan);
            if (refusal == Refusal::none) result.messages.emplace_back(std::move(plan));
        } else if (kind == Kind::e_stop) {
            EStop stop;
            refusal = decode(frames[i], stop);
            if (refusal == Refusal::none) result.messages.emplace_back(stop);
        } else if (kind == Kind::arm) {
            Arm arm;
            refusal = decode(frames[i], arm);
            if (refusal == Refusal::none) result.messages.emplace_back(std::move(arm));
        }
        if (refusal == Refusal::none) {
            result.repeated.push_back(i);
        } else {
            ++refused[name_of(refusal)];
        }
    }
    return result;
}

}  // namespace mpc_plant
