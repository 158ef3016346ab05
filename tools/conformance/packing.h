#pragma once

// Writes messages in every encoding that msgpack allows, so that a worker can be shown all of them
// (MESSAGES.md, "Encoding").

#include <nlohmann/json.hpp>
#include <string>

namespace bellis::conformance {

using Json = nlohmann::ordered_json;

/// How to write. The default is the shortest form.
struct Style {
  enum class Integers { kShortest, kUint16, kUint64, kInt64 };
  Integers integers = Integers::kShortest;  // at least so wide; a negative one is signed always
  int text_bits = 0;                        // of the length of a str: 8, 16 or 32; 0: the shortest
  int container_bits = 0;                   // of the length of an array or map: 16 or 32
  bool reverse = false;                     // the keys of each map, last first
  bool strangers = false;  // each map has keys that no peer knows, one of them twice
};

/// The msgpack encoding of [kind, fields].
std::string PackMessage(const std::string& kind, const Json& fields, const Style& style = {});

}  // namespace bellis::conformance
