#include "mpc_plant/frame.hpp"

namespace mpc_plant {
namespace {

constexpr std::string_view magic = "MPC";

std::uint32_t little_endian(std::string_view bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
}

void append_little_endian(std::string& bytes, std::uint32_t value) {
    for (int i = 0; i < 4; ++i, value >>= 8) bytes.push_back(static_cast<char>(value & 0xff));
}

std::size_t largest(Kind kind) {
    return kind == Kind::plan ? largest_plan : kind == Kind::parameter_update ? largest_update : largest_other;
}

/// Reads a varint at `position` and moves it behind; false where there is none.
bool read_varint(std::string_view payload, std::size_t& position, std::uint64_t& value) {
    value = 0;
    for (unsigned i = 0; i < 10 && position < payload.size(); ++i) {
        const auto byte = static_cast<unsigned char>(payload[position++]);
        value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
        if (byte < 0x80) return true;
    }
    return false;
}

}  // namespace

const char* name_of(Refusal refusal) {
    switch (refusal) {
        case Refusal::none: return "";
        case Refusal::magic: return "magic";
        case Refusal::version: return "version";
        case Refusal::kind: return "kind";
        case Refusal::truncated: return "truncated";
        case Refusal::size: return "size";
        case Refusal::payload: return "payload";
        case Refusal::shape: return "shape";
        case Refusal::value: return "value";
    }
    return "";
}

std::string wrap(Kind kind, const std::string& payload) {
    std::string frame;
    if (header_size + payload.size() > largest(kind)) return frame;
    frame.reserve(header_size + payload.size());
    frame.append(magic).push_back(static_cast<char>(kind));
    append_little_endian(frame, protocol_version);
    append_little_endian(frame, static_cast<std::uint32_t>(payload.size()));
    return frame.append(payload);
}

Refusal read_header(std::string_view frame, Kind& kind) {
    if (frame.substr(0, magic.size()) != magic) return Refusal::magic;
    if (frame.size() < header_size) return Refusal::truncated;
    if (little_endian(frame.substr(4, 4)) != protocol_version) return Refusal::version;
    const auto number = static_cast<unsigned char>(frame[3]);
    if (number < 1 || number > 8) return Refusal::kind;
    if (little_endian(frame.substr(8, 4)) != frame.size() - header_size) return Refusal::truncated;
    if (frame.size() > largest(static_cast<Kind>(number))) return Refusal::size;
    kind = static_cast<Kind>(number);
    return Refusal::none;
}

Refusal check_field_count(std::string_view payload, std::size_t most) {
    std::size_t position = 0, count = 0;
    while (position < payload.size()) {
        std::uint64_t tag = 0, value = 0;
        if (++count > most) return Refusal::shape;
        if (!read_varint(payload, position, tag)) return Refusal::payload;
        switch (tag & 7) {
            case 0:
                if (!read_varint(payload, position, value)) return Refusal::payload;
                break;
            case 1: position += 8; break;
            case 2:
                if (!read_varint(payload, position, value)) return Refusal::payload;
                if (value > payload.size()) return Refusal::none;  // beyond the end: the parser says so
                position += static_cast<std::size_t>(value);
                break;
            case 5: position += 4; break;
            default: return Refusal::payload;  // groups, which this bus has none of
        }
    }
    return Refusal::none;
}

}  // namespace mpc_plant
