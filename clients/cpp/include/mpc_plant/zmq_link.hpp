#pragma once

#include "mpc_plant/endpoints.hpp"
#include "mpc_plant/link.hpp"
#include "mpc_plant/socket_files.hpp"

namespace mpc_plant {

/// The bus over ZeroMQ: binds both endpoints of the robot.
class ZmqLink final : public Link {
public:
    /// Throws std::runtime_error when another process has the endpoints or they can't be bound.
    explicit ZmqLink(const Endpoints& endpoints);
    ~ZmqLink() override;
    ZmqLink(const ZmqLink&) = delete;
    ZmqLink& operator=(const ZmqLink&) = delete;

    void send(const std::string& frame) noexcept override;
    std::vector<std::string> receive() noexcept override;

private:
    void open(const Endpoints& endpoints);
    void close() noexcept;

    SocketFiles files_;
    void* context_ = nullptr;
    void* pub_ = nullptr;
    void* sub_ = nullptr;
};

}  // namespace mpc_plant
