#include "common/endpoint.h"

#include <unistd.h>

#include <cstdlib>

namespace bellis {

std::string DefaultRuntimeDir() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  // The specification asks for an absolute path; any other is to be ignored.
  if (runtime != nullptr && runtime[0] == '/') return std::string(runtime) + "/bellis";
  return "/tmp/bellis-" + std::to_string(::getuid());
}

std::string DefaultEndpoint() { return "ipc://" + DefaultRuntimeDir() + "/broker.sock"; }

}  // namespace bellis
