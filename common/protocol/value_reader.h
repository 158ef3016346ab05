#pragma once

// Reads values of the types that messages' fields have, with one overload for each type. FieldRule
// has the constraints of a field, such as a number's range or a text's length.
//
// `out` is unspecified after a failure.

#include <algorithm>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/roi.h"
#include "common/ids.h"
#include "common/protocol/message_fields.h"
#include "common/protocol/tape_reader.h"
#include "common/protocol/wire_text.h"

namespace bellis::wire {

bool ReadText(TapeReader& in, const FieldRule& rule, std::string& out);
bool ReadNumber(TapeReader& in, double& out);
bool FailInt(TapeReader& in, const Token& token, int64_t min, int64_t max);
bool ReadRoi(TapeReader& in, Roi& out);
bool ReadEnvironment(TapeReader& in, Environment& out);
/// Reads the `job` of submit: a tree with the keys of a pipeline file. Errors are those of
/// ReadJobSpec.
bool ReadJob(TapeReader& in, JobSpec& out);

inline bool ReadValue(TapeReader& in, const FieldRule& rule, std::string& out) {
  return ReadText(in, rule, out);
}
inline bool ReadValue(TapeReader& in, const FieldRule&, double& out) { return ReadNumber(in, out); }
inline bool ReadValue(TapeReader& in, const FieldRule&, Roi& out) { return ReadRoi(in, out); }
inline bool ReadValue(TapeReader& in, const FieldRule&, Environment& out) {
  return ReadEnvironment(in, out);
}
inline bool ReadValue(TapeReader& in, const FieldRule&, JobSpec& out) { return ReadJob(in, out); }

inline bool ReadValue(TapeReader& in, const FieldRule&, bool& out) {
  const Token& token = in.Next();
  if (token.type != TokenType::kBool) return in.FailValue(token, "true or false");
  out = token.boolean;
  return true;
}

template <std::unsigned_integral T>
bool ReadValue(TapeReader& in, const FieldRule& rule, T& out) {
  constexpr uint64_t kTypeMax = std::numeric_limits<T>::max();
  const Token& token = in.Next();
  if (token.type != TokenType::kUint || token.uint < rule.min || token.uint > rule.max) {
    const bool over =
        token.type == TokenType::kUint && token.uint > rule.max && token.uint <= INT64_MAX;
    return in.FailValue(token, ExpectedUint(rule, kTypeMax),
                        over ? rule.over_max : ErrorCode::kBadMessage);
  }
  if (token.uint > kTypeMax && !rule.saturate) {
    return in.FailValue(token, ExpectedUint(rule, kTypeMax));
  }
  out = static_cast<T>(std::min(token.uint, kTypeMax));
  return true;
}

template <std::signed_integral T>
bool ReadValue(TapeReader& in, const FieldRule&, T& out) {
  constexpr int64_t kMin = std::numeric_limits<T>::min();
  constexpr int64_t kMax = std::numeric_limits<T>::max();
  const Token& token = in.Next();
  const bool fits = token.type == TokenType::kUint  ? token.uint <= uint64_t{kMax}
                    : token.type == TokenType::kInt ? token.integer >= kMin
                                                    : false;
  if (!fits) return FailInt(in, token, kMin, kMax);
  out = token.type == TokenType::kUint ? static_cast<T>(token.uint) : static_cast<T>(token.integer);
  return true;
}

template <typename Tag>
bool ReadValue(TapeReader& in, const FieldRule& rule, Id<Tag>& out) {
  return ReadValue(in, rule, out.value);
}

template <NamedEnum E>
bool ReadValue(TapeReader& in, const FieldRule&, E& out) {
  using Names = EnumNames<E>;
  const Token& token = in.Next();
  if (token.type == TokenType::kStr) {
    for (int i = 0; i < Names::kCount; ++i) {
      out = static_cast<E>(i);
      if (token.text() == Names::Name(out)) return true;
    }
    out = E{};
    if (Names::kOpen && IsUtf8(token.text())) return true;
  }
  std::string expected;
  for (int i = 0; i < Names::kCount; ++i) {
    if (i > 0) expected += i + 1 < Names::kCount ? ", " : " or ";
    expected += Names::Name(static_cast<E>(i));
  }
  return in.FailValue(token, expected);
}

// Declared before the overload for vectors, which calls it.
template <HasFields T>
bool ReadValue(TapeReader& in, const FieldRule&, T& out);

template <typename T>
bool ReadValue(TapeReader& in, const FieldRule&, std::vector<T>& out) {
  // The tape checks that an array has at most as many elements as there are bytes, but an element
  // may take far more memory than a byte. So no more than this is reserved before elements are
  // read.
  constexpr uint32_t kElementsReserved = 1024;
  const Token& array = in.Next();
  if (array.type != TokenType::kArray) return in.FailValue(array, "an array");
  out.reserve(std::min(array.size, kElementsReserved));
  for (uint32_t i = 0; i < array.size; ++i) {
    if (!ReadValue(in, FieldRule{}, out.emplace_back())) return in.UnderIndex(i);
  }
  return true;
}

/// A field that has no default: none unless it is given.
template <typename T>
bool ReadValue(TapeReader& in, const FieldRule& rule, std::optional<T>& out) {
  return ReadValue(in, rule, out.emplace());
}

namespace internal {

/// Whether `key` is the name of field I of T. Compares with a constant, whose length the compiler
/// knows.
template <typename T, size_t I>
bool IsKey(std::string_view key) {
  static constexpr std::string_view kName = std::get<I>(kFields<T>).name;
  return key.size() == kName.size() &&
         __builtin_memcmp(key.data(), kName.data(), kName.size()) == 0;
}

/// Reads field I. Error: the field was given before.
template <typename T, size_t I>
bool ReadField(TapeReader& in, uint32_t& given, T& out) {
  static constexpr auto& kField = std::get<I>(kFields<T>);
  if (given & (1u << I)) return in.Fail("is given twice; expected once") || in.Under(kField.name);
  given |= 1u << I;
  return ReadValue(in, kField.rule, kField.Of(out)) || in.Under(kField.name);
}

template <typename T, size_t... I>
bool ReadMap(TapeReader& in, T& out, std::index_sequence<I...>) {
  static_assert(sizeof...(I) <= 32);
  const Token& map = in.Next();
  if (map.type != TokenType::kMap) return in.FailValue(map, "a map");
  uint32_t given = 0;
  for (uint32_t pair = 0; pair < map.size; ++pair) {
    const Token& key = in.Next();
    if (key.type != TokenType::kStr) {
      return in.Fail("has the key " + Describe(key) + "; expected keys that are str");
    }
    bool ok = true;
    const bool known =
        ((IsKey<T, I>(key.text()) && ((ok = ReadField<T, I>(in, given, out)), true)) || ...);
    if (!known) in.Skip();
    if (!ok) return false;
  }
  static constexpr uint32_t kRequired =
      (0u | ... | (std::get<I>(kFields<T>).rule.required ? 1u << I : 0u));
  if ((given & kRequired) == kRequired) return true;
  // Reads a missing value, so that the error has the words for the field's type.
  in.ReadMissing();
  ((kRequired & ~given & (1u << I) ? ReadField<T, I>(in, given, out) : true) && ...);
  return false;
}

}  // namespace internal

/// Reads a map with the fields of T. Unknown keys are skipped with their values. A field that is
/// not given keeps its default.
template <HasFields T>
bool ReadValue(TapeReader& in, const FieldRule&, T& out) {
  return internal::ReadMap(in, out,
                           std::make_index_sequence<std::tuple_size_v<decltype(kFields<T>)>>());
}

}  // namespace bellis::wire
