#pragma once

// Where a broker listens and where its peers look for it when nobody says otherwise.

#include <string>

namespace bellis {

/// The directory for the default ipc endpoint: $XDG_RUNTIME_DIR/bellis, else /tmp/bellis-<uid>. An
/// XDG_RUNTIME_DIR of another user does not count.
/// Only a name; nothing is created or checked.
std::string DefaultRuntimeDir();

/// "ipc://<DefaultRuntimeDir()>/broker.sock".
std::string DefaultEndpoint();

}  // namespace bellis
