#pragma once

// CHECK(condition, words) ends the program if a condition is false that only a bug, and never bad
// input, can make false. It stays on in release builds: a scheduler that goes on with a broken
// invariant corrupts data silently.

namespace bellis {

/// Prints `file:line: words (condition)` to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const char* words);

}  // namespace bellis

#define BELLIS_CHECK(condition, words)               \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::bellis::CheckFailed(__FILE__, __LINE__, #condition, words))
