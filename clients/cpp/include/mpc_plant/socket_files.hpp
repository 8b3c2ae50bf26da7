#pragma once

#include <string>

namespace mpc_plant {

/// The files of a plant's ipc sockets: one owner at a time, nothing left behind.
///
/// ZeroMQ takes over an ipc file that another process is bound to without a word, and a killed process leaves its files. A lock
/// beside them, which the kernel frees when its holder dies, tells the two cases apart.
class SocketFiles {
public:
    /// Takes the lock of `path` (without endings) and removes what a dead plant left; nothing for "". Throws
    /// std::runtime_error when a live plant has it or the files can't be made.
    explicit SocketFiles(const std::string& path);
    ~SocketFiles();
    SocketFiles(const SocketFiles&) = delete;
    SocketFiles& operator=(const SocketFiles&) = delete;

private:
    std::string path_;
    int lock_ = -1;
};

}  // namespace mpc_plant
