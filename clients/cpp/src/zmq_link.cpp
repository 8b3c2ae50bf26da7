#include "mpc_plant/zmq_link.hpp"

#include <sys/stat.h>
#include <zmq.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>

#include "mpc_plant/frame.hpp"

namespace mpc_plant {
namespace {

// Frames kept for a peer that does not read: two seconds of 500 Hz observations and truth with 100 Hz plans, some 3 MB.
constexpr int send_high_water_mark = 2000;
// What is kept of each peer that sends; more waits at the peer. Of the largest plans these would be 0.13 GB.
constexpr int receive_high_water_mark = 32;
constexpr std::int64_t longest_subscription = 64;
constexpr int heartbeat_ms = 1000, heartbeat_timeout_ms = 3000, handshake_ms = 3000;

[[noreturn]] void refuse(const std::string& endpoint) {
    const int error = zmq_errno();
    if (error == EADDRINUSE) throw std::runtime_error("endpoint " + endpoint + " is in use: is another plant running?");
    throw std::runtime_error("endpoint " + endpoint + " can't be bound: " + zmq_strerror(error));
}

/// A bound socket. Throws std::runtime_error.
void* bound(void* socket, const std::string& endpoint, bool is_tcp, std::int64_t longest) {
    const auto set = [socket](int option, int value) { zmq_setsockopt(socket, option, &value, sizeof value); };
    set(ZMQ_LINGER, 0);
    set(ZMQ_SNDHWM, send_high_water_mark);
    set(ZMQ_RCVHWM, receive_high_water_mark);
    set(ZMQ_IPV6, 0);
    set(ZMQ_HANDSHAKE_IVL, handshake_ms);
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &longest, sizeof longest);
    if (is_tcp) {
        set(ZMQ_HEARTBEAT_IVL, heartbeat_ms);
        set(ZMQ_HEARTBEAT_TIMEOUT, heartbeat_timeout_ms);
        set(ZMQ_HEARTBEAT_TTL, heartbeat_timeout_ms);
    }
    const mode_t before = umask(077);  // the socket's file is this user's alone from its first moment
    const int result = zmq_bind(socket, endpoint.c_str());
    umask(before);
    if (result != 0) refuse(endpoint);
    return socket;
}

}  // namespace

ZmqLink::ZmqLink(const Endpoints& endpoints) : files_(endpoints.path) {
    try {
        open(endpoints);
    } catch (...) {
        close();
        throw;
    }
}

ZmqLink::~ZmqLink() { close(); }

void ZmqLink::open(const Endpoints& endpoints) {
    context_ = zmq_ctx_new();
    const bool is_tcp = endpoints.path.empty();
    sub_ = context_ ? zmq_socket(context_, ZMQ_SUB) : nullptr;
    pub_ = context_ ? zmq_socket(context_, ZMQ_PUB) : nullptr;
    if (!sub_ || !pub_) refuse(endpoints.out);
    zmq_setsockopt(sub_, ZMQ_SUBSCRIBE, "", 0);
    bound(sub_, endpoints.in, is_tcp, static_cast<std::int64_t>(largest_update));
    bound(pub_, endpoints.out, is_tcp, longest_subscription);
}

void ZmqLink::close() noexcept {
    if (pub_) zmq_close(pub_);
    if (sub_) zmq_close(sub_);
    if (context_) zmq_ctx_term(context_);
}

void ZmqLink::send(const std::string& frame) noexcept { zmq_send(pub_, frame.data(), frame.size(), ZMQ_DONTWAIT); }

std::vector<std::string> ZmqLink::receive() noexcept {
    std::vector<std::string> frames;
    std::size_t size = 0;
    while (frames.size() < budget_frames && size < budget_bytes) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, sub_, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            break;
        }
        frames.emplace_back(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
        size += frames.back().size();
        zmq_msg_close(&part);
    }
    return frames;
}

}  // namespace mpc_plant
