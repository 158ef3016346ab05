#include "common/task/resources.h"

#include <fmt/format.h>

#include <charconv>

#include "common/task/pipeline.h"

namespace bellis {
namespace {

Error BadPart(std::string_view part, std::string_view why) {
  return Error{ErrorCode::kInvalidSpec,
               fmt::format("resources: \"{}\" {}; expected NAME=COUNT, as in gpu=2,cpu=8, COUNT "
                           "from 0 to {}",
                           part, why, kResourceMax)};
}

}  // namespace

Result<Resources> ParseResources(std::string_view text) {
  Resources resources;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    const size_t equals = part.find('=');
    if (equals == 0 || equals == std::string_view::npos)
      return BadPart(part, "has no name or no =");
    const std::string_view digits = part.substr(equals + 1);
    uint64_t count = 0;
    const char* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, count);
    if (digits.empty() || read.ec != std::errc() || read.ptr != end || count > kResourceMax) {
      return BadPart(part, "is not a count");
    }
    if (!resources.emplace(part.substr(0, equals), count).second) {
      return BadPart(part, "names a resource again");
    }
  }
  return resources;
}

}  // namespace bellis
