#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "mpc_plant/frame.hpp"
#include "mpc_plant/messages.hpp"

namespace mpc_plant {

/// From the frames that peers sent to what the plant acts on and what it repeats: bounded work, whatever they send.
class Inbox {
public:
    struct Read {
        std::vector<std::variant<Plan, EStop, Arm>> messages;  // to act on, oldest first
        std::vector<std::size_t> repeated;                // which frames to repeat on `out`
    };

    /// Decodes operators' words, the first and the newest four plans; those between are counted as dropped and repeated unread. Of all else the
    /// header is checked. Bad frames are counted.
    Read read(const std::vector<std::string>& frames);

    std::uint64_t received = 0, dropped = 0;
    std::map<std::string, std::uint64_t> refused;  // by reason

private:
    bool accepts_header(const std::string& frame, Kind& kind);
};

}  // namespace mpc_plant
