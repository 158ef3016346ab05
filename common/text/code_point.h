#pragma once

// UTF-8, one character at a time.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bellis {

struct CodePoint {
  uint32_t value;  // 0xFFFD for a byte that is no UTF-8
  size_t bytes;    // that it takes in the text
};

/// The first character of `text`, which is not empty. What is no UTF-8 is taken byte by byte.
CodePoint FirstCodePoint(std::string_view text);

}  // namespace bellis
