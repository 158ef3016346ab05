#pragma once

// Whole files, read at once and replaced at once.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace bellis::examples {

/// The file's bytes; nullopt when there is no such file. Throws std::system_error when the system
/// refuses.
std::optional<std::vector<std::byte>> ReadWholeFile(const std::filesystem::path& file);

/// Writes `bytes` to a temporary file beside `file`, which it then renames to `file`; folders that
/// are missing are made. Another process finds the old bytes or the new ones.
/// Throws std::system_error, leaving `file` as it was and no temporary file behind.
void ReplaceFile(const std::filesystem::path& file, std::span<const std::byte> bytes);

}  // namespace bellis::examples
