#pragma once

// UTF-8, one character at a time.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bellis {

struct CodePoint {
  uint32_t value;  // 0xFFFD for a byte that is not UTF-8
  size_t bytes;    // how many it takes in the text
};

/// The first character of `text`, which is not empty. Text that is not UTF-8 is taken byte by byte.
CodePoint FirstCodePoint(std::string_view text);

}  // namespace bellis
