#include "client/cpp/no_broker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "client/cpp/environment.h"

namespace bellis {
namespace {

constexpr std::string_view kFilePrefix = "ipc:///";

/// Names the owner of the socket, or of the folder that this user may not enter. Entries of such a
/// folder cannot be seen, so it is the deepest path that can.
std::string OwnerText(std::string path) {
  struct stat status {};
  while (::stat(path.c_str(), &status) != 0) {
    const size_t end = path.rfind('/');
    if (end == std::string::npos || end == 0) return "";
    path.resize(end);
  }
  if (status.st_uid == ::geteuid()) return "";
  return ": " + path + " belongs to user " + UserName(status.st_uid) + ", and this is user " +
         UserName(::geteuid());
}

std::string Reason(const std::string& endpoint) {
  if (endpoint.starts_with(kFilePrefix)) {
    const std::string path = endpoint.substr(kFilePrefix.size() - 1);
    // Connecting needs write permission.
    if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) {
      if (errno == EACCES) return ": permission denied" + OwnerText(path);
      if (errno == ENOENT || errno == ENOTDIR) {
        return ": there is no such socket file; is bellis-broker running?";
      }
    }
  }
  return ": is bellis-broker running?";
}

}  // namespace

Error NoBrokerError(const std::string& endpoint, Duration waited, const std::string& trouble) {
  return Error{ErrorCode::kTimeout, "no broker answers at " + endpoint + " within " +
                                        SecondsText(waited) +
                                        (trouble.empty() ? Reason(endpoint) : ": " + trouble)};
}

}  // namespace bellis
