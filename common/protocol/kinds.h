#pragma once

// The names of the message kinds of bellis/1, and the position in the variant Message for each
// name.

#include <array>
#include <optional>
#include <string_view>

#include "common/protocol/messages.h"

namespace bellis {

/// In the order of Message's alternatives. They are literals, so data() is zero-terminated.
inline constexpr std::array<std::string_view, kMessageKinds> kKindNames = {
    "hello",   "ping",      "bye",    "acquire",     "release",   "welcome",     "work",
    "drain",   "leave",     "pong",   "error",       "submit",    "status",      "cancel",
    "watch",   "submitted", "jobs",   "cancelled",   "progress",  "ended",       "launch",
    "stop",    "launched",  "exited", "explain",     "explained", "committed",   "retry_failed",
    "retried", "pause",     "resume", "set_workers", "ok",        "worker_gone", "recall"};

/// The position of `name` in Message. A linear search: the most frequent kinds are near the front,
/// and a name of another length costs one comparison.
inline std::optional<size_t> FindKind(std::string_view name) {
  for (size_t kind = 0; kind < kKindNames.size(); ++kind) {
    if (kKindNames[kind] == name) return kind;
  }
  return std::nullopt;
}

}  // namespace bellis
