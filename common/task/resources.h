#pragma once

// What workers take of a machine, by name: gpu, cpu, memory_gb, a licence. Only counted, never
// looked for.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "bellis/result.h"

namespace bellis {

using Resources = std::map<std::string, uint64_t>;

/// Reads "gpu=2,cpu=8"; "" is none. Errors: kInvalidSpec, with the part that is wrong.
Result<Resources> ParseResources(std::string_view text);

}  // namespace bellis
