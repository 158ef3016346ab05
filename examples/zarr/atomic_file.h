#pragma once

// Reads a whole file at once, and replaces a whole file at once.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace bellis::examples {

/// The file's bytes; nullopt if the file does not exist. Throws std::system_error on other errors.
std::optional<std::vector<std::byte>> ReadWholeFile(const std::filesystem::path& file);

/// Writes `bytes` to a temporary file beside `file`, and renames that file to `file`. Makes missing
/// folders. Another process reads either the old bytes or the new ones.
/// Throws std::system_error, leaving `file` as it was and no temporary file behind.
void ReplaceFile(const std::filesystem::path& file, std::span<const std::byte> bytes);

}  // namespace bellis::examples
