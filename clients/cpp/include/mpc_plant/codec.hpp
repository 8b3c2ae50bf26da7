#pragma once

#include <string>
#include <string_view>

#include "mpc_plant/frame.hpp"
#include "mpc_plant/messages.hpp"

namespace mpc_plant {

/// The frame of a message; empty when it is too large to be sent.
std::string encode(const Observation& message);
std::string encode(const Truth& message);
std::string encode(const Event& message);

/// Reads a frame of kind plan, e_stop or arm whose header is good. Numbers that are not finite are no error here.
Refusal decode(std::string_view frame, Plan& plan);
Refusal decode(std::string_view frame, EStop& stop);
Refusal decode(std::string_view frame, Arm& arm);

/// Protobuf would write a line to the terminal for every bad text that a peer sends, for the whole process. Releases from 4.22 on
/// write through Abseil's log, which has a threshold of its own.
void silence_parser();

}  // namespace mpc_plant
