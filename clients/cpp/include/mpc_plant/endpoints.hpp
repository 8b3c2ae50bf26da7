#pragma once

#include <string>

namespace mpc_plant {

/// Where a robot's bus is: `out`, where the plant publishes, and `in`, where it listens.
///
///     ipc:///folder/robot     → ipc:///folder/robot.out and ipc:///folder/robot.in
///     tcp://127.0.0.1:5555    → ports 5555 (out) and 5556 (in)
struct Endpoints {
    /// Throws std::invalid_argument for an address that no bus can have.
    explicit Endpoints(const std::string& address);

    std::string out, in;
    std::string path;  // of ipc endpoints, without the endings; empty for tcp
};

}  // namespace mpc_plant
