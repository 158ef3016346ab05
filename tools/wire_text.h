#pragma once

// A message of the wire as text for people, or as JSON, whatever its bytes are: what is no message
// is shown in hex, with what is wrong. Pure.
//
//     hello {version: 1, role: "worker", token: (12 bytes), pid: 4711}
//
// Tokens are never shown: traces are made to be passed on.

#include <optional>
#include <span>
#include <string>

namespace bellis {

struct MessageText {
  std::string kind;     // "" if the bytes are no message
  std::string fields;   // "{want: 1}", or JSON; if they are no message, the bytes in hex
  std::string problem;  // why they are no message
};

enum class TextStyle { kPeople, kJson };

/// Cost: linear in the bytes.
MessageText TextOfMessage(std::span<const char> bytes, TextStyle style);

/// The number that `field` of the message has, such as "worker"; none: no such field, or no number.
std::optional<uint64_t> NumberOfField(std::span<const char> bytes, const char* field);
/// The text that it has, made printable.
std::string TextOfField(std::span<const char> bytes, const char* field);

}  // namespace bellis
