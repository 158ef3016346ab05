#pragma once

// Checks the rules of a job, and gives the path of the field that breaks one, so that readers of
// text can add the line. Private to common; others call ValidateJob (pipeline.h).

#include <cstdint>
#include <optional>
#include <span>

#include "bellis/job_spec.h"
#include "common/task/field_path.h"

namespace bellis {

inline constexpr uint32_t kRetriesMax = 1000;
inline constexpr uint32_t kWorkerRestartsMax = 1'000'000;
inline constexpr uint32_t kFailuresMax = 1'000'000'000;
/// With the block worked on, a worker may hold 1,024 blocks (MESSAGES.md, "acquire").
inline constexpr uint32_t kPrefetchMax = 1023;
/// Ten years of 365 days.
inline constexpr int64_t kTimeoutSecondsMax = int64_t{10} * 365 * 24 * 3600;
/// The most bytes of a task id or a name, written as the name of a log folder, where '/' and '%'
/// take three bytes.
inline constexpr size_t kIdBytesMax = 255;

/// The first rule that `spec` breaks, in the order of its fields; nullopt: none.
std::optional<Trouble> FindTrouble(const JobSpec& spec);

/// Checks the numbers of the ROI at `path`: 1 to kRankMax dimensions, as many extents as offsets,
/// extents of at least `shape_min`, begin and end within +-kWorldMax.
std::optional<Trouble> FindBoxTrouble(const FieldPath& path, std::span<const int64_t> offset,
                                      std::span<const int64_t> shape, int64_t shape_min);

}  // namespace bellis
