#pragma once

// Encodes messages to bytes, and decodes them (MESSAGES.md). This is the only room that includes
// msgpack.
//
// Decoding is bounded: it does not trust length fields when it reserves memory, it limits nesting,
// and its time is linear in the number of bytes. No input can crash it, or make it allocate more
// than about a hundred bytes for each input byte (an empty map of one byte may be read as a task).
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

/// Why bytes were refused. `req` is the request's number, if it could be read, so that the answer
/// reaches the request.
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

/// Owns the scratch memory that decoding and encoding reuse, so that most calls allocate almost
/// nothing. One thread at a time.
class Codec {
 public:
  Codec();
  ~Codec();
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  /// Unknown keys are ignored. A known key with a wrong type or range is an error that names the
  /// kind, the field, its value and what is accepted. Cost: linear in the bytes.
  DecodeResult Decode(std::span<const char> bytes);

  /// The next `release` that is decoded uses the memory of this message, if it is one. It is the
  /// message of which a broker gets one for each block.
  void Reuse(Message& message);

  /// The bytes stay valid until the next call. Never fails, since every Message can be encoded. The
  /// sender must check that the bytes do not exceed kMessageBytesMax.
  std::span<const char> Encode(const Message& message);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
