#include "common/nesting.h"

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

namespace bellis {

uint32_t NestingDepth() {
  const char* value = std::getenv(kNestingVariable);
  const std::string_view text = value == nullptr ? "" : value;
  uint32_t depth = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), depth);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return whole && text.size() < 9 ? depth : 0;
}

Status CheckNesting() {
  const uint32_t depth = NestingDepth();
  if (depth < kNestingMax) return OkStatus();
  return Error{ErrorCode::kLimit,
               "this run would be inside of " + std::to_string(depth) +
                   " others, each started by a worker of the one before it (" + kNestingVariable +
                   "): expected " + std::to_string(kNestingMax - 1) +
                   " at most. A worker's command probably starts the run that it belongs to"};
}

}  // namespace bellis
