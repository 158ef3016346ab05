#pragma once

// Writes values of the types that messages' fields have: the inverse of value_reader.h. Writing
// never fails: text that is too long or not UTF-8 is made to fit, and a number that is not finite
// becomes 0.

#include <array>
#include <cmath>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#ifndef MSGPACK_NO_BOOST
#define MSGPACK_NO_BOOST
#endif
#include <msgpack/pack.hpp>

#include "bellis/job_spec.h"
#include "bellis/roi.h"
#include "common/ids.h"
#include "common/protocol/byte_buffer.h"
#include "common/protocol/message_fields.h"
#include "common/protocol/wire_text.h"

namespace bellis::wire {

/// Writes msgpack values to a buffer.
class WireWriter {
 public:
  explicit WireWriter(ByteBuffer& buffer) : buffer_(buffer), packer_(buffer) {}

  void Nil() { packer_.pack_nil(); }
  void Bool(bool value) { value ? packer_.pack_true() : packer_.pack_false(); }
  void Uint(uint64_t value) { packer_.pack_uint64(value); }
  void Int(int64_t value) { packer_.pack_int64(value); }
  void Number(double value) { packer_.pack_double(std::isfinite(value) ? value : 0.0); }
  void Array(size_t elements) { packer_.pack_array(static_cast<uint32_t>(elements)); }
  void Map(size_t pairs) { packer_.pack_map(static_cast<uint32_t>(pairs)); }
  void Bytes(const std::vector<uint8_t>& bytes) {
    packer_.pack_bin(static_cast<uint32_t>(bytes.size()));
    packer_.pack_bin_body(reinterpret_cast<const char*>(bytes.data()),
                          static_cast<uint32_t>(bytes.size()));
  }
  /// Writes a packed constant key: the header of a short str, then the str.
  template <size_t kBytes>
  void Raw(const std::array<char, kBytes>& bytes) {
    buffer_.write(bytes.data(), kBytes);
  }
  /// Writes text that is known to be UTF-8.
  void Name(std::string_view name) {
    packer_.pack_str(static_cast<uint32_t>(name.size()));
    if (!name.empty()) packer_.pack_str_body(name.data(), static_cast<uint32_t>(name.size()));
  }
  /// Writes any text. `bytes_max` 0: no limit.
  void Text(std::string_view text, size_t bytes_max = 0) {
    if (bytes_max > 0) text = CutMiddle(text, bytes_max, scratch_);
    Name(RepairUtf8(text, scratch_));
  }

 private:
  ByteBuffer& buffer_;
  msgpack::packer<ByteBuffer> packer_;
  std::string scratch_;
};

void WriteRoi(WireWriter& out, const Roi& roi);
void WriteEnvironment(WireWriter& out, const Environment& env);
/// Writes the tree that ReadJob reads.
void WriteJob(WireWriter& out, const JobSpec& spec);

inline void WriteValue(WireWriter& out, const FieldRule& rule, const std::string& text) {
  out.Text(text, rule.text_bytes_max);
}
inline void WriteValue(WireWriter& out, const FieldRule&, double value) { out.Number(value); }
inline void WriteValue(WireWriter& out, const FieldRule&, const Roi& roi) { WriteRoi(out, roi); }
inline void WriteValue(WireWriter& out, const FieldRule&, const Environment& env) {
  WriteEnvironment(out, env);
}
inline void WriteValue(WireWriter& out, const FieldRule&, const JobSpec& spec) {
  WriteJob(out, spec);
}
inline void WriteValue(WireWriter& out, const FieldRule&, bool value) { out.Bool(value); }
template <std::unsigned_integral T>
void WriteValue(WireWriter& out, const FieldRule&, T value) {
  out.Uint(value);
}
template <std::signed_integral T>
void WriteValue(WireWriter& out, const FieldRule&, T value) {
  out.Int(value);
}
template <typename Tag>
void WriteValue(WireWriter& out, const FieldRule&, Id<Tag> id) {
  out.Uint(id.value);
}
template <NamedEnum E>
void WriteValue(WireWriter& out, const FieldRule&, E value) {
  out.Name(EnumNames<E>::Name(value));
}

// Declared before the overload for vectors, which calls it.
template <HasFields T>
void WriteValue(WireWriter& out, const FieldRule&, const T& fields);

template <typename T>
void WriteValue(WireWriter& out, const FieldRule&, const std::vector<T>& values) {
  out.Array(values.size());
  for (const T& value : values) WriteValue(out, FieldRule{}, value);
}

/// A field that is optional is left out while it has no value.
template <typename T>
void WriteValue(WireWriter& out, const FieldRule& rule, const std::optional<T>& value) {
  WriteValue(out, rule, *value);
}

namespace internal {

inline bool IsEmpty(const std::string& text) { return text.empty(); }
template <typename T>
bool IsEmpty(const std::vector<T>& values) {
  return values.empty();
}
template <typename T>
bool IsEmpty(const std::optional<T>& value) {
  return !value.has_value();
}
template <std::integral T>
bool IsEmpty(T value) {
  return value == 0;
}
template <NamedEnum E>
bool IsEmpty(E value) {
  return value == E{};
}
template <typename Tag>
bool IsEmpty(Id<Tag> id) {
  return !id.set();
}

template <typename T, size_t I>
bool IsWritten(const T& fields) {
  static constexpr auto& kField = std::get<I>(kFields<T>);
  if constexpr (kField.rule.omit_empty) {
    return !IsEmpty(kField.Of(fields));
  } else {
    return true;
  }
}

/// The name of field I as msgpack.
template <typename T, size_t I>
constexpr auto PackedKey() {
  constexpr std::string_view kName = std::get<I>(kFields<T>).name;
  static_assert(kName.size() < 32);
  std::array<char, kName.size() + 1> packed{static_cast<char>(0xa0 | kName.size())};
  for (size_t i = 0; i < kName.size(); ++i) packed[i + 1] = kName[i];
  return packed;
}

template <typename T, size_t I>
void WriteField(WireWriter& out, const T& fields) {
  static constexpr auto& kField = std::get<I>(kFields<T>);
  if (!IsWritten<T, I>(fields)) return;
  static constexpr auto kKey = PackedKey<T, I>();
  out.Raw(kKey);
  WriteValue(out, kField.rule, kField.Of(fields));
}

template <typename T, size_t... I>
void WriteMap(WireWriter& out, const T& fields, std::index_sequence<I...>) {
  out.Map((size_t{0} + ... + (IsWritten<T, I>(fields) ? 1u : 0u)));
  (WriteField<T, I>(out, fields), ...);
}

}  // namespace internal

template <HasFields T>
void WriteValue(WireWriter& out, const FieldRule&, const T& fields) {
  internal::WriteMap(out, fields,
                     std::make_index_sequence<std::tuple_size_v<decltype(kFields<T>)>>());
}

}  // namespace bellis::wire
