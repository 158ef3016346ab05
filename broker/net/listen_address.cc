#include "broker/net/listen_address.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "common/files/private_dir.h"

namespace bellis {
namespace {

constexpr char kIpc[] = "ipc://";
constexpr char kTcp[] = "tcp://";

bool StartsWith(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

Error IoError(const std::string& what) {
  return Error{ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno))};
}

Status CheckTcp(const std::string& endpoint) {
  const std::string address = endpoint.substr(std::strlen(kTcp));
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    return Error{ErrorCode::kIo,
                 fmt::format("endpoint is \"{}\"; expected tcp://HOST:PORT, with PORT a number or "
                             "* for a free one",
                             endpoint)};
  }
  return OkStatus();
}

}  // namespace

Status EnsurePrivateDir(const std::string& path) {
  const Result<Fd> dir = OpenPrivateDir(path, /*make=*/true, OnTheWay::kTrusted);
  return dir.ok() ? OkStatus() : Status(dir.error());
}

Status CheckListenAddress(const std::string& endpoint) {
  if (StartsWith(endpoint, kTcp)) return CheckTcp(endpoint);
  if (!StartsWith(endpoint, kIpc) || endpoint.size() == std::strlen(kIpc)) {
    return Error{ErrorCode::kIo, fmt::format("endpoint is \"{}\"; expected ipc://PATH or "
                                             "tcp://HOST:PORT",
                                             endpoint)};
  }
  const std::string path = endpoint.substr(std::strlen(kIpc));
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error{ErrorCode::kIo,
                 fmt::format("the path of endpoint \"{}\" has {} bytes; at most {}", endpoint,
                             path.size(), sizeof(sockaddr_un::sun_path) - 1)};
  }
  const auto directory = std::filesystem::absolute(path).parent_path();
  return EnsurePrivateDir(directory.string());
}

Result<EndpointLock> EndpointLock::Take(const std::string& endpoint) {
  if (!StartsWith(endpoint, kIpc)) return EndpointLock(-1);
  const std::string path = endpoint.substr(std::strlen(kIpc)) + ".lock";
  Result<Fd> file = OpenByWalk(path, O_RDWR | O_CREAT | O_NONBLOCK, 0600, {});
  if (!file.ok()) return file.error();
  const int fd = file->Release();
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(fd);
    errno = error;
    if (error != EWOULDBLOCK) return IoError("cannot lock " + path);
    return Error{ErrorCode::kIo, endpoint + " is in use: another broker listens there"};
  }
  return EndpointLock(fd);
}

EndpointLock::EndpointLock(EndpointLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

EndpointLock& EndpointLock::operator=(EndpointLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

EndpointLock::~EndpointLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace bellis
