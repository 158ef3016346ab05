#pragma once

// Result<T>: a value, or an Error. Expected trouble (a user's mistake, the network, a disk) travels
// as one of these; its message says which field of what was wrong, its value, and what would have
// been accepted. What a program must never do, such as taking the value of a failed Result, ends
// the process with a sentence on stderr.
//
// Example:
//
//     const bellis::Result<bellis::Duration> timeout = bellis::Duration::Seconds(5);
//     const bellis::Result<bellis::Duration> wrong =
//         bellis::Error{bellis::ErrorCode::kInvalidSpec, "timeout is -1; at least 0"};
//     if (!wrong) std::cerr << wrong.error().message << "\n";
//     return timeout.ok() && timeout->seconds() > 4 ? 0 : 1;

#include <string>
#include <utility>
#include <variant>

#include "bellis/export.h"

namespace bellis {

/// Stable, machine-readable error classes; the wire carries their names (PROTOCOL.md, "Errors").
enum class ErrorCode {
  kBadMessage,    // bytes that are not a well-formed message
  kUnknownKind,   // well-formed, but no message kind that we know
  kTooLarge,      // a message over the size limit
  kVersion,       // a protocol version that we do not speak
  kUnauthorized,  // missing or wrong token
  kHelloFirst,    // anything but hello from a peer that we do not know
  kWrongRole,     // a message that this role may not send
  kInvalidSpec,   // a job or a task that cannot be scheduled as written
  kUnknownJob,
  kUnknownTask,
  kUnknownWorker,
  kLimit,  // a documented limit is reached
  kShuttingDown,
  kNotFound,           // a file or program that does not exist
  kIo,                 // the system refused: disk, socket, process
  kTimeout,            // no answer in time
  kStorage,            // the broker's state directory: no room, not to be read, not to be trusted
  kDifferentLayout,    // the stored job has other blocks than the submitted one
  kDifferentPrograms,  // blocks of the stored job were done by other programs
  kWorkerAlive,        // a worker that was called gone is there, or its end will be noticed
};

/// The name on the wire, such as "invalid_spec".
BELLIS_API const char* ErrorCodeName(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kBadMessage;
  std::string message;  // one sentence, without a full stop
};

/// Prints `words` to stderr and aborts.
[[noreturn]] BELLIS_API void ResultMisused(const char* words);

/// Owns its value or its error. Any thread, one at a time.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  /// Requires ok().
  const T& value() const& {
    RequireValue();
    return std::get<0>(state_);
  }
  T& value() & {
    RequireValue();
    return std::get<0>(state_);
  }
  T&& value() && {
    RequireValue();
    return std::get<0>(std::move(state_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  /// Requires !ok().
  const Error& error() const {
    if (ok()) [[unlikely]]
      ResultMisused("error() of a good Result");
    return std::get<1>(state_);
  }

 private:
  void RequireValue() const {
    if (!ok()) [[unlikely]]
      ResultMisused("value() of a failed Result");
  }

  std::variant<T, Error> state_;
};

/// A Result that carries nothing but success.
using Status = Result<std::monostate>;
inline Status OkStatus() { return std::monostate{}; }

}  // namespace bellis
