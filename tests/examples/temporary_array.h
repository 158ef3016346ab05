#pragma once

// A Zarr array directory that lives as long as a test.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bellis::examples {

/// .zarray of an uncompressed array, for tests to change a field of.
inline nlohmann::json Metadata(const std::vector<int64_t>& shape,
                               const std::vector<int64_t>& chunks, const std::string& dtype) {
  return {{"zarr_format", 2}, {"order", "C"},   {"filters", nullptr}, {"compressor", nullptr},
          {"shape", shape},   {"dtype", dtype}, {"chunks", chunks},   {"fill_value", 0}};
}

class TemporaryArray {
 public:
  explicit TemporaryArray(const nlohmann::json& metadata) {
    std::string name = (std::filesystem::temp_directory_path() / "zarr_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
    WriteFile(".zarray", metadata.dump());
  }
  TemporaryArray(const TemporaryArray&) = delete;
  TemporaryArray& operator=(const TemporaryArray&) = delete;
  ~TemporaryArray() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }

  void WriteFile(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
  }
  std::string ReadFile(const std::string& name) const {
    std::ifstream file(path_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool Has(const std::string& name) const { return std::filesystem::exists(path_ / name); }
  /// Files in the directory itself, .zarray included.
  size_t file_count() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

}  // namespace bellis::examples
