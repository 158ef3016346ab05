#pragma once

// What the holder of a key may say: a table, and nothing else (PROTOCOL.md, "Keys").

#include <cstdint>
#include <string>

#include "common/access/access.h"
#include "common/protocol/messages.h"

namespace bellis {

/// What the broker knows of a key.
struct Grant {
  AccessRole role = AccessRole::kOwner;
  std::string job;       // of a worker's key
  bool revoked = false;  // its job has ended
};

/// Whether a hello, or a later message, of a peer with this key is to be heard; which kinds a peer
/// may send after its hello at all is another question (the core's). `job_of_worker`: of the worker
/// that a hello or an `explain` names; empty when there is none. Error kUnauthorized names the key.
/// Cost: constant. Pure.
Status MaySay(const Grant& grant, const Message& message, const std::string& job_of_worker);

/// Whether a message of a peer with a revoked key is ignored without an answer, because the peer
/// may have sent it before it heard that its job has ended.
bool IsTooLate(const Grant& grant, const Message& message);

}  // namespace bellis
