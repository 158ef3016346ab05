#include "tools/conformance/packing.h"

#include <cstdint>

namespace bellis::conformance {
namespace {

/// Six pairs: an ext, a bin, nil, a map with keys that are no str, deep nesting, and a key twice.
constexpr unsigned kStrangerPairs = 6;
const std::string& Strangers() {
  using namespace std::string_literals;
  static const std::string& bytes = *new std::string(
      "\xa5x_ext\xc7\x03\x05"
      "abc"
      "\xa5x_bin\xc4\x04\x00\xff\x80z"
      "\xa5x_nil\xc0"
      "\xa5x_map\x82\x01\xa1"
      "a\xc2\x92\x01\x02"
      "\xa6x_deep\x91\x91\x91\x91\x91\x91\x91\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"
      "\xa5x_nil\xc3"s);
  return bytes;
}

class Packer {
 public:
  explicit Packer(const Style& style) : style_(style) {}

  void Value(const Json& value) {
    switch (value.type()) {
      case Json::value_t::boolean: Byte(value.get<bool>() ? 0xc3 : 0xc2); break;
      case Json::value_t::number_integer:
      case Json::value_t::number_unsigned: Integer(value.get<int64_t>()); break;
      case Json::value_t::string: Text(value.get_ref<const std::string&>()); break;
      case Json::value_t::array: Array(value); break;
      case Json::value_t::object: Map(value); break;
      default: Byte(0xc0);
    }
  }

  void ArrayHead(size_t size) { Head(size, style_.container_bits, 0x90, 16, 0, 0xdc, 0xdd); }
  void Text(const std::string& text) {
    Head(text.size(), style_.text_bits, 0xa0, 32, 0xd9, 0xda, 0xdb);
    bytes_ += text;
  }
  std::string Take() { return std::move(bytes_); }

 private:
  void Byte(unsigned byte) { bytes_.push_back(static_cast<char>(byte)); }
  void BigEndian(uint64_t value, int bits) {
    for (int shift = bits - 8; shift >= 0; shift -= 8) Byte(value >> shift & 0xff);
  }

  /// `code8` 0: the type has no header with a length of 8 bits.
  void Head(size_t size, int bits, unsigned fix, size_t fix_end, unsigned code8, unsigned code16,
            unsigned code32) {
    if (bits == 0 && size < fix_end) {
      Byte(fix | static_cast<unsigned>(size));
    } else if (code8 != 0 && bits <= 8 && size < 0x100) {
      Byte(code8);
      BigEndian(size, 8);
    } else if (bits <= 16 && size < 0x10000) {
      Byte(code16);
      BigEndian(size, 16);
    } else {
      Byte(code32);
      BigEndian(size, 32);
    }
  }

  void Integer(int64_t value) {
    using Integers = Style::Integers;
    if (style_.integers == Integers::kShortest && value >= -32 && value < 128) {
      Byte(static_cast<unsigned>(value & 0xff));
    } else if (value < 0 || style_.integers == Integers::kInt64) {
      Byte(0xd3);
      BigEndian(static_cast<uint64_t>(value), 64);
    } else if (style_.integers != Integers::kUint64 && value < 0x10000) {
      Byte(0xcd);
      BigEndian(static_cast<uint64_t>(value), 16);
    } else {
      Byte(0xcf);
      BigEndian(static_cast<uint64_t>(value), 64);
    }
  }

  void Array(const Json& array) {
    ArrayHead(array.size());
    for (const Json& item : array) Value(item);
  }

  void Map(const Json& map) {
    const size_t strangers = style_.strangers ? kStrangerPairs : 0;
    Head(map.size() + strangers, style_.container_bits, 0x80, 16, 0, 0xde, 0xdf);
    if (style_.strangers) bytes_ += Strangers();
    const auto pair = [this](const std::string& key, const Json& value) {
      Text(key);
      Value(value);
    };
    if (style_.reverse) {
      for (auto it = map.end(); it != map.begin();) {
        --it;
        pair(it.key(), it.value());
      }
    } else {
      for (const auto& [key, value] : map.items()) pair(key, value);
    }
  }

  const Style style_;
  std::string bytes_;
};

}  // namespace

std::string PackMessage(const std::string& kind, const Json& fields, const Style& style) {
  Packer packer(style);
  packer.ArrayHead(2);
  packer.Text(kind);
  packer.Value(fields);
  return packer.Take();
}

}  // namespace bellis::conformance
