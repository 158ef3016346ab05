#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

namespace bellis::examples {

/// Something is wrong with an array on disk, or with a request to it. The message names the path,
/// the field, its value and what is accepted.
class ZarrError : public std::runtime_error {
 public:
  ZarrError(const std::filesystem::path& path, const std::string& what)
      : std::runtime_error(path.string() + ": " + what) {}
};

}  // namespace bellis::examples
