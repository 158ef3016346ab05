#pragma once

// Which messages the holder of a key may send (TRANSPORT.md, "Keys").

#include <cstdint>
#include <string>

#include "common/access/access.h"
#include "common/protocol/messages.h"

namespace bellis {

/// What a key permits.
struct Grant {
  AccessRole role = AccessRole::kOwner;
  std::string job;       // of a worker's key
  bool revoked = false;  // its job has ended
};

/// Whether the key permits this hello or later message. (The core checks which kinds a peer may
/// send at all, by its role.) `job_of_worker`: the job of the worker that a hello or an `explain`
/// names; empty if there is none. Error kUnauthorized names the key. Cost: constant. Pure.
Status MaySay(const Grant& grant, const Message& message, const std::string& job_of_worker);

/// Whether a message of a peer with a revoked key is ignored without an answer, because the peer
/// may have sent it before it learned that its job has ended.
bool IsTooLate(const Grant& grant, const Message& message);

}  // namespace bellis
