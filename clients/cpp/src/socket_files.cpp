#include "mpc_plant/socket_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace mpc_plant {
namespace {

[[noreturn]] void refuse(const std::string& path, int error) {
    if (error == EWOULDBLOCK) throw std::runtime_error("endpoint ipc://" + path + ".out is in use: is another plant running?");
    throw std::runtime_error("endpoint ipc://" + path + ".out can't be bound: " + std::generic_category().message(error));
}

/// Descriptor of the locked file, or −errno. Holders remove the file before they let go, so the lock counts only when the file
/// is still the one at the path.
int locked(const std::string& path) {
    for (;;) {
        const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0) return -errno;
        if (flock(file, LOCK_EX | LOCK_NB) != 0) {
            const int error = errno;
            close(file);
            return -error;
        }
        struct stat held{}, there{};
        if (fstat(file, &held) == 0 && stat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
            held.st_dev == there.st_dev) {
            return file;
        }
        close(file);
    }
}

/// 0, or the error.
int remove_sockets(const std::string& path) {
    for (const char* ending : {".out", ".in"}) {
        const std::string file = path + ending;
        struct stat status{};
        if (lstat(file.c_str(), &status) != 0) continue;
        if (!S_ISSOCK(status.st_mode)) return EEXIST;
        if (unlink(file.c_str()) != 0) return errno;
    }
    return 0;
}

/// The folder, for this user alone where it has to be made.
void make_folder(const std::string& path) {
    const mode_t before = umask(077);
    std::error_code ignored;  // the lock says what is wrong
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    umask(before);
}

}  // namespace

SocketFiles::SocketFiles(const std::string& path) : path_(path) {
    if (path_.empty()) return;
    make_folder(path_);
    const int file = locked(path_ + ".lock");
    if (file < 0) refuse(path_, -file);
    if (const int error = remove_sockets(path_)) {
        unlink((path_ + ".lock").c_str());
        close(file);
        refuse(path_, error);
    }
    lock_ = file;
}

SocketFiles::~SocketFiles() {
    if (lock_ < 0) return;
    remove_sockets(path_);
    unlink((path_ + ".lock").c_str());
    close(lock_);
}

}  // namespace mpc_plant
