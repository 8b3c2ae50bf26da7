#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mpc_plant {

constexpr std::uint32_t protocol_version = 1;
constexpr std::size_t header_size = 12;
constexpr std::size_t largest_plan = 1u << 20, largest_update = 4u << 20, largest_other = 64u << 10;  // with the header

/// Byte 3 of a frame; the same numbers in all protocol versions.
enum class Kind : unsigned char {
    observation = 1,
    plan = 2,
    truth = 3,
    reference = 4,
    parameter_update = 5,
    e_stop = 6,
    event = 7,
    arm = 8
};

/// Why a frame is refused, as docs/wire.md lists it; `none`: it is not.
enum class Refusal { none, magic, version, kind, truncated, size, payload, shape, value };

const char* name_of(Refusal refusal);

/// Header and payload in one piece; empty when the frame would be larger than its kind may be.
std::string wrap(Kind kind, const std::string& payload);

/// Checks the header; the payload is not looked at. `kind` is set when nothing is refused.
Refusal read_header(std::string_view frame, Kind& kind);

/// Refuses a payload with more than `most` fields: each costs the parser time and memory far beyond its few bytes.
Refusal check_field_count(std::string_view payload, std::size_t most);

}  // namespace mpc_plant
