#pragma once

// Resources that workers take, by name: gpu, cpu, memory_gb, a licence. The broker only counts
// them, and does not look for them on the machine.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "bellis/result.h"

namespace bellis {

using Resources = std::map<std::string, uint64_t>;

/// Reads a text such as "gpu=2,cpu=8"; "" means none. Errors: kInvalidSpec, with the part that is
/// wrong.
Result<Resources> ParseResources(std::string_view text);

}  // namespace bellis
