#include "common/endpoint.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace bellis {
namespace {

/// What is not there, or cannot be looked at, is nobody's: who uses the path finds out.
bool IsOfAnother(const char* path) {
  struct stat info {};
  return ::stat(path, &info) == 0 && info.st_uid != ::geteuid();
}

}  // namespace

std::string DefaultRuntimeDir() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  // The specification asks for an absolute path; any other is to be ignored.
  // After su it may be another user's, who could then listen in our place.
  if (runtime != nullptr && runtime[0] == '/' && !IsOfAnother(runtime))
    return std::string(runtime) + "/bellis";
  return "/tmp/bellis-" + std::to_string(::getuid());
}

std::string DefaultEndpoint() { return "ipc://" + DefaultRuntimeDir() + "/broker.sock"; }

}  // namespace bellis
