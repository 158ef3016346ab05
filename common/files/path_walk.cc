#include "common/files/path_walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <filesystem>

namespace bellis {
namespace {

constexpr int kLinksMax = 40;

/// In a user namespace the system's directories may have another owner than root: that of "/".
bool IsTrustedOnTheWay(uid_t owner) {
  static const uid_t root = [] {
    struct stat info {};
    return stat("/", &info) == 0 ? info.st_uid : 0;
  }();
  return IsTrustedOwner(owner) || owner == root;
}

std::deque<std::string> Components(const std::string& path) {
  std::deque<std::string> parts;
  size_t at = 0;
  while (at < path.size()) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") parts.push_back(part);
    at = slash + 1;
  }
  return parts;
}

/// One walk along a path.
class Walk {
 public:
  Walk(const std::string& path, WalkOptions options) : path_(path), options_(options) {}

  Result<Fd> To(int flags, mode_t mode) {
    std::error_code failed;
    const auto absolute = std::filesystem::absolute(path_, failed);
    if (failed || path_.empty()) return System("no such path", ENOENT);
    left_ = Components(absolute.string());
    if (const Status root = GoToRoot(); !root.ok()) return root.error();
    while (!left_.empty()) {
      const std::string name = left_.front();
      left_.pop_front();
      const bool last = left_.empty();
      if (last && options_.make_last && !Make(name, 0700)) return System("cannot be made", errno);
      Fd next(last ? openat(at_.get(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode)
                   : openat(at_.get(), name.c_str(), kOnTheWay));
      if (!next.ok() && !last && errno == ENOENT && options_.make_parents) {
        if (!Make(name, 0777)) return System("cannot be made", errno);
        next = Fd(openat(at_.get(), name.c_str(), kOnTheWay));
      }
      const int error = errno;
      if (!next.ok() && (error == ELOOP || error == ENOTDIR)) {
        const Result<bool> followed = Follow(name);
        if (!followed.ok()) return followed.error();
        if (*followed) continue;
      }
      if (!next.ok() && error == ENOENT && AnybodyMayMake()) return Unmade(name);
      if (!next.ok()) return System(name, error);
      if (last) return next;
      at_ = std::move(next);
      if (const Status fine = Look(name); !fine.ok()) return fine.error();
    }
    return Fd(openat(at_.get(), ".", flags | O_CLOEXEC, mode));  // the path is "/"
  }

 private:
  // Directories on the way need not be readable, only passable.
  static constexpr int kOnTheWay = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

  Error System(const std::string& what, int error) const {
    if (error == ENXIO) {  // a FIFO without a reader, or a socket
      return {ErrorCode::kUnauthorized,
              fmt::format("{} is not a regular file: remove it, or choose another path", path_)};
    }
    return {error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
            what == path_ || path_.ends_with("/" + what)
                ? fmt::format("{}: {}", path_, std::strerror(error))
                : fmt::format("{}: {}: {}", path_, what, std::strerror(error))};
  }

  Status GoToRoot() {
    at_ = Fd(open("/", kOnTheWay));
    if (!at_.ok()) return System("/", errno);
    return Look("/");
  }

  bool Make(const std::string& name, mode_t mode) const {
    return mkdirat(at_.get(), name.c_str(), mode) == 0 || errno == EEXIST;
  }

  /// Error if another user may replace entries of the directory `at_`.
  Status Look(const std::string& name) const {
    if (options_.on_the_way == OnTheWay::kAnyone) return OkStatus();
    struct stat info {};
    if (fstat(at_.get(), &info) != 0) return System(name, errno);
    // By convention, the group with the user's own number has only this user in it, and root's
    // group only root.
    const bool own_group = info.st_gid == geteuid() || info.st_gid == 0;
    const mode_t others = own_group ? S_IWOTH : S_IWGRP | S_IWOTH;
    if (IsTrustedOnTheWay(info.st_uid) &&
        ((info.st_mode & others) == 0 || (info.st_mode & S_ISVTX) != 0)) {
      return OkStatus();
    }
    return Error{ErrorCode::kUnauthorized,
                 fmt::format("{}: the directory \"{}\" on the way has mode {:04o} and owner {}: "
                             "another user can put something else there. Choose a path in "
                             "directories of root and your own (uid {}) that others cannot write",
                             path_, name, info.st_mode & 07777, info.st_uid, geteuid())};
  }

  bool AnybodyMayMake() const {
    struct stat info {};
    return options_.on_the_way == OnTheWay::kTrusted && fstat(at_.get(), &info) == 0 &&
           (info.st_mode & S_IWOTH) != 0;
  }

  Error Unmade(const std::string& name) const {
    return {ErrorCode::kUnauthorized,
            fmt::format("there is no \"{}\", and any user of this machine could make it "
                        "meanwhile, so nobody waits for it; is bellis-broker running?",
                        name)};
  }

  /// If `name` is a symbolic link, replaces it in the path by its target; else returns false.
  Result<bool> Follow(const std::string& name) {
    const Fd link(openat(at_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat info {};
    if (!link.ok() || fstat(link.get(), &info) != 0 || !S_ISLNK(info.st_mode)) return false;
    if (!IsTrustedOnTheWay(info.st_uid)) {
      return Error{ErrorCode::kUnauthorized,
                   fmt::format("{}: \"{}\" is a symbolic link of another user (uid {}): remove it, "
                               "or choose another path",
                               path_, name, info.st_uid)};
    }
    // Another user can give a link of this user a second name (a hard link) in a directory of
    // theirs.
    if (info.st_nlink > 1) {
      return Error{ErrorCode::kUnauthorized,
                   fmt::format("{}: \"{}\" is a symbolic link with {} names: remove it, or choose "
                               "another path",
                               path_, name, info.st_nlink)};
    }
    std::array<char, PATH_MAX> target{};
    const ssize_t bytes = readlinkat(link.get(), "", target.data(), target.size());
    if (bytes <= 0 || ++links_ > kLinksMax) return System(name, ELOOP);
    const std::string text(target.data(), static_cast<size_t>(bytes));
    if (text[0] == '/') {
      if (const Status root = GoToRoot(); !root.ok()) return root.error();
    }
    const std::deque<std::string> parts = Components(text);
    left_.insert(left_.begin(), parts.begin(), parts.end());
    return true;
  }

  const std::string& path_;
  const WalkOptions options_;
  std::deque<std::string> left_;
  Fd at_;
  int links_ = 0;
};

}  // namespace

bool IsTrustedOwner(uid_t owner) { return owner == geteuid() || owner == 0; }

Result<Fd> OpenByWalk(const std::string& path, int flags, mode_t mode, WalkOptions options) {
  return Walk(path, options).To(flags, mode);
}

}  // namespace bellis
