#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mpc_plant {

// A tick's worth of frames: until there are so many, or until they have so many bytes together.
constexpr std::size_t budget_frames = 32, budget_bytes = 256u << 10;

/// The plant's end of the bus: moves whole frames, never waits, and loses what a peer does not take.
class Link {
public:
    virtual ~Link() = default;

    /// Hands one frame over to all who listen on `out`.
    virtual void send(const std::string& frame) noexcept = 0;

    /// The frames that have come on `in`, oldest first, within the budget of a tick.
    virtual std::vector<std::string> receive() noexcept = 0;
};

}  // namespace mpc_plant
