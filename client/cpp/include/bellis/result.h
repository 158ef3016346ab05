#pragma once

// Result<T>: a value, or an Error. Functions return expected trouble (a user's mistake, the
// network, a disk) as an Error. Its message says which field was wrong, its value, and what is
// accepted. A bug of the calling program, such as taking the value of a failed Result, ends the
// process with a sentence on stderr.
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

/// Stable, machine-readable error classes; the wire carries their names (MESSAGES.md, "Errors").
enum class ErrorCode {
  kBadMessage,    // bytes that are not a well-formed message
  kUnknownKind,   // well-formed, but of an unknown message kind
  kTooLarge,      // a message over the size limit
  kVersion,       // an unsupported protocol version
  kUnauthorized,  // missing or wrong token
  kHelloFirst,    // anything but hello from an unknown peer
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
  kStorage,            // the broker's state directory is full, unreadable or damaged
  kDifferentLayout,    // the stored job has other blocks than the submitted one
  kDifferentPrograms,  // blocks of the stored job were done by other programs
  kWorkerAlive,        // a worker that a client called gone is alive, or its end will be noticed
};

/// The name on the wire, such as "invalid_spec".
BELLIS_API const char* ErrorCodeName(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kBadMessage;
  std::string message;  // one sentence, without a full stop
};

/// Prints `words` to stderr and aborts.
[[noreturn]] BELLIS_API void ResultMisused(const char* words);

/// Owns its value or its error. One thread at a time.
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
