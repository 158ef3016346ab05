#pragma once

// Messages to bytes and back (PROTOCOL.md). The only room that includes msgpack.
//
// Decoding is bounded: nothing is reserved on the word of a length field, nesting is limited, and
// the time is linear in the number of bytes. No input can crash it, or make it hold more than about
// a hundred bytes for each of its own (where an empty map of one byte is read as a task).
//
//   bytes -> token_tape (flat, checked) -> tape_reader -> value_reader: a struct by its table of
//   bytes <- byte_buffer                <-                value_writer: fields (message_fields.h)

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "common/protocol/messages.h"

namespace bellis {

/// Why bytes were refused. `req` is the request's number where it could still be read, so that the
/// answer finds its way.
struct DecodeError {
  ErrorCode code = ErrorCode::kBadMessage;
  std::string message;
  uint64_t req = 0;
};

class DecodeResult {
 public:
  DecodeResult(Message message)
      : state_(std::move(message)) {}  // NOLINT(google-explicit-constructor)
  DecodeResult(DecodeError error)
      : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return state_.index() == 0; }
  Message& message() { return std::get<0>(state_); }
  const DecodeError& error() const { return std::get<1>(state_); }

 private:
  std::variant<Message, DecodeError> state_;
};

/// Owns the scratch memory that decoding and encoding reuse, so that the steady state allocates
/// next to nothing. One thread at a time.
class Codec {
 public:
  Codec();
  ~Codec();
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  /// Unknown keys are ignored; a known key with a wrong type or range is an error that names the
  /// kind, the field, what it was and what is accepted. Cost: linear in the bytes.
  DecodeResult Decode(std::span<const char> bytes);

  /// The bytes stay valid until the next call. Never fails: every Message has a form. Whether it
  /// is within kMessageBytesMax is for the sender to check.
  std::span<const char> Encode(const Message& message);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
