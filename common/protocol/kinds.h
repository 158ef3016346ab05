#pragma once

// The kinds of bellis/1 by name, and back from a name to the message's place in the variant.

#include <array>
#include <optional>
#include <string_view>

#include "common/protocol/messages.h"

namespace bellis {

/// In the order of Message's alternatives. Literals, so that data() ends in a zero.
inline constexpr std::array<std::string_view, kMessageKinds> kKindNames = {
    "hello",   "ping",      "bye",    "acquire",     "release",   "welcome",    "work",
    "drain",   "leave",     "pong",   "error",       "submit",    "status",     "cancel",
    "watch",   "submitted", "jobs",   "cancelled",   "progress",  "ended",      "launch",
    "stop",    "launched",  "exited", "explain",     "explained", "committed",  "retry_failed",
    "retried", "pause",     "resume", "set_workers", "ok",        "worker_gone"};

/// The place of `name` in Message. A plain search: the kinds that come by the million stand near
/// the front, and a name of another length costs one comparison.
inline std::optional<size_t> FindKind(std::string_view name) {
  for (size_t kind = 0; kind < kKindNames.size(); ++kind) {
    if (kKindNames[kind] == name) return kind;
  }
  return std::nullopt;
}

}  // namespace bellis
