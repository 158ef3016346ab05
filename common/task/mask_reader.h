#pragma once

// The `mask` of a task as a table: {offset, voxel_size, file} in a pipeline file; in a message
// {offset, voxel_size, shape, bits}, where bits are compressed (zlib, RFC 1950). Private to
// common/task.

#include <nlohmann/json.hpp>
#include <optional>

#include "bellis/mask.h"
#include "common/task/field_reader.h"

namespace bellis {

/// nullopt where there is none. Cost: that of its bits.
std::optional<MaskSpec> ReadMask(const FieldReader& fields, std::string_view key);

nlohmann::json MaskToJson(const MaskSpec& mask);

/// What is wrong with the numbers of `mask`, which a task of that rank has at `path`.
std::optional<Trouble> FindMaskTrouble(const MaskSpec& mask, int rank, const FieldPath& path);

}  // namespace bellis
