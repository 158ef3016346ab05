#include "common/files/private_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace bellis {
namespace {

constexpr std::string_view kDescriptors = "/proc/self/fd/";
constexpr std::string_view kIpc = "ipc://";

}  // namespace

Result<Fd> OpenPrivateDir(const std::string& path, bool make, OnTheWay on_the_way) {
  WalkOptions options;
  options.on_the_way = on_the_way;
  options.make_parents = options.make_last = make;
  Result<Fd> dir = OpenByWalk(path, O_RDONLY | O_DIRECTORY, 0, options);
  if (!dir.ok()) return dir.error();
  struct stat info {};
  if (fstat(dir->get(), &info) != 0) {
    return Error{ErrorCode::kIo, fmt::format("{}: {}", path, std::strerror(errno))};
  }
  if (info.st_uid != geteuid() || (info.st_mode & 077) != 0) {
    return Error{ErrorCode::kUnauthorized,
                 fmt::format("{} has mode {:04o} and owner {}: others may enter it; it must be "
                             "yours (uid {}) and closed to others (chmod 700)",
                             path, info.st_mode & 07777, info.st_uid, geteuid())};
  }
  return dir;
}

Status CheckSocketDir(const std::string& endpoint) {
  if (!endpoint.starts_with(kIpc) || endpoint.size() == kIpc.size()) return OkStatus();
  const std::string path = endpoint.substr(kIpc.size());
  WalkOptions options;
  options.on_the_way = OnTheWay::kTrusted;
  const Result<Fd> socket = OpenByWalk(path, O_PATH, 0, options);
  const std::string refusal = fmt::format("no broker answers at {}: ", endpoint);
  if (!socket.ok()) {
    // A socket that does not exist yet is fine if only root and this user can make it.
    if (socket.error().code != ErrorCode::kUnauthorized) return OkStatus();
    return Error{ErrorCode::kUnauthorized, refusal + socket.error().message};
  }
  struct stat info {};
  if (fstat(socket->get(), &info) == 0 && !IsTrustedOwner(info.st_uid)) {
    return Error{ErrorCode::kUnauthorized,
                 fmt::format("{}the socket belongs to another user (uid {}; you are {})", refusal,
                             info.st_uid, geteuid())};
  }
  return OkStatus();
}

std::string InsideDir(const Fd& dir, const std::string& name) {
  return fmt::format("{}{}/{}", kDescriptors, dir.get(), name);
}

std::string ShownPath(const std::string& path) {
  const size_t slash = path.find('/', kDescriptors.size());
  if (!path.starts_with(kDescriptors) || slash == std::string::npos) return path;
  std::array<char, PATH_MAX> target{};
  const ssize_t bytes = readlink(path.substr(0, slash).c_str(), target.data(), target.size());
  if (bytes <= 0) return path;
  return std::string(target.data(), static_cast<size_t>(bytes)) + path.substr(slash);
}

}  // namespace bellis
