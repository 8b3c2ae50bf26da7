#include "mpc_plant/endpoints.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <stdexcept>

namespace mpc_plant {
namespace {

constexpr std::size_t longest_ipc_path = 107;  // bytes of sun_path in sockaddr_un, less the closing zero (unix(7))

[[noreturn]] void refuse(const std::string& address, const std::string& text) {
    throw std::invalid_argument("address '" + address + "': " + text);
}

bool is_loopback(const std::string& host) {
    in_addr parsed{};
    return inet_pton(AF_INET, host.c_str(), &parsed) == 1 && (ntohl(parsed.s_addr) >> 24) == 127;
}

/// The port of HOST:PORT in 1..65534; 0 when there is none.
int port_of(const std::string& text) {
    const bool is_number = !text.empty() && text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) {
        return c >= '0' && c <= '9';
    });
    const int port = is_number ? std::stoi(text) : 0;
    return port <= 65534 ? port : 0;
}

}  // namespace

Endpoints::Endpoints(const std::string& address) {
    const std::string ipc = "ipc://", tcp = "tcp://";
    if (address.compare(0, ipc.size(), ipc) == 0) {
        path = address.substr(ipc.size());
        if (path.empty() || path.front() != '/' || path.back() == '/') {
            refuse(address, "an ipc path must be absolute and name a file, as in ipc:///run/robot");
        }
        if (path.size() + 4 > longest_ipc_path) refuse(address, "the path with .out has more than 107 bytes");
        out = address + ".out";
        in = address + ".in";
        return;
    }
    if (address.compare(0, tcp.size(), tcp) != 0) refuse(address, "expected ipc:///absolute/path or tcp://127.0.0.1:PORT");
    const std::size_t colon = address.rfind(':');
    const int port = colon > tcp.size() ? port_of(address.substr(colon + 1)) : 0;
    if (port == 0) refuse(address, "expected tcp://127.0.0.1:PORT with a port in 1..65534; the next one is used too");
    std::string host = address.substr(tcp.size(), colon - tcp.size());
    if (host == "localhost") host = "127.0.0.1";
    if (!is_loopback(host)) refuse(address, "only loopback addresses (127.0.0.1, localhost) are allowed without keys");
    out = tcp + host + ":" + std::to_string(port);
    in = tcp + host + ":" + std::to_string(port + 1);
}

}  // namespace mpc_plant
