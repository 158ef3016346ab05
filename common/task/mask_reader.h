#pragma once

// Reads the `mask` of a task, a table: {offset, voxel_size, file} in a pipeline file, and {offset,
// voxel_size, shape, bits} in a message, where bits are compressed (zlib, RFC 1950). Private to
// common/task.

#include <nlohmann/json.hpp>
#include <optional>

#include "bellis/mask.h"
#include "common/task/field_reader.h"

namespace bellis {

/// nullopt if there is no mask. Cost: linear in the mask's bits.
std::optional<MaskSpec> ReadMask(const FieldReader& fields, std::string_view key);

nlohmann::json MaskToJson(const MaskSpec& mask);

/// Checks the numbers of `mask`, which a task of that rank has at `path`.
std::optional<Trouble> FindMaskTrouble(const MaskSpec& mask, int rank, const FieldPath& path);

}  // namespace bellis
