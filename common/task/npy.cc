#include "common/task/npy.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "common/task/field_text.h"

namespace bellis {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kHeaderBytesMax = 1 << 16;

Error Bad(const std::string& path, const std::string& words) {
  return Error{ErrorCode::kInvalidSpec, path + ": " + words};
}

/// The text after `'key':` in the header, which is a Python dictionary as text.
std::string_view ValueOf(std::string_view header, std::string_view key) {
  const size_t at = header.find("'" + std::string(key) + "'");
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + key.size() + 2);
  const size_t begin = rest.find_first_not_of(": ");
  return begin == std::string_view::npos ? std::string_view{} : rest.substr(begin);
}

/// Reads a tuple such as "(3, 4)" of 1 to kRankMax numbers.
std::optional<std::vector<int64_t>> ReadTuple(std::string_view text) {
  std::vector<int64_t> numbers;
  if (!text.starts_with('(')) return std::nullopt;
  text.remove_prefix(1);
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(", "), text.size()));
    if (text.starts_with(')')) break;
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    numbers.push_back(number);
  }
  if (numbers.empty() || numbers.size() > kRankMax) return std::nullopt;
  return numbers;
}

/// Reads the header's text. The stream is at the first element then.
std::optional<std::string> ReadHeader(std::ifstream& file) {
  char start[8] = {};
  file.read(start, sizeof(start));
  if (!file || std::string_view(start, kMagic.size()) != kMagic) return std::nullopt;
  const size_t length_bytes = start[6] == 1 ? 2 : 4;
  unsigned char length[4] = {};
  file.read(reinterpret_cast<char*>(length), static_cast<std::streamsize>(length_bytes));
  size_t bytes = 0;
  for (size_t i = 4; i-- > 0;) bytes = bytes << 8 | length[i];
  if (!file || bytes > kHeaderBytesMax) return std::nullopt;
  std::string header(bytes, '\0');
  file.read(header.data(), static_cast<std::streamsize>(bytes));
  if (!file) return std::nullopt;
  return header;
}

}  // namespace

Status ReadNpyMask(const std::string& path, MaskSpec* mask) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{ErrorCode::kNotFound, path + ": cannot be read"};
  const auto header = ReadHeader(file);
  if (!header) return Bad(path, "is not a .npy file; what numpy.save() writes");
  const std::string_view type = ValueOf(*header, "descr");
  if (!type.starts_with("'|b1'") && !type.starts_with("'|u1'") && !type.starts_with("'|i1'")) {
    return Bad(path, "has elements of type " +
                         Quoted(std::string(type.substr(0, type.find_first_of(",}")))) +
                         "; bool, uint8 or int8");
  }
  if (!ValueOf(*header, "fortran_order").starts_with("False")) {
    return Bad(path, "is in Fortran order; C order, as numpy.ascontiguousarray() makes it");
  }
  const auto shape = ReadTuple(ValueOf(*header, "shape"));
  if (!shape) return Bad(path, "has no shape of 1 to 8 dimensions");
  uint64_t voxels = 1;
  for (const int64_t extent : *shape) {
    if (extent == 0 || static_cast<uint64_t>(extent) > kMaskVoxelsMax / voxels) {
      return Bad(path, "has the shape " + Coordinate(*shape).ToString() +
                           "; 1 voxel at least and " + std::to_string(kMaskVoxelsMax) +
                           " (2^26) at most");
    }
    voxels *= static_cast<uint64_t>(extent);
  }
  std::string bits((voxels + 7) / 8, '\0');
  std::vector<char> buffer(1 << 16);
  for (uint64_t voxel = 0; voxel < voxels;) {
    const auto want =
        static_cast<std::streamsize>(std::min<uint64_t>(buffer.size(), voxels - voxel));
    file.read(buffer.data(), want);
    if (file.gcount() != want) {
      return Bad(path, "ends after " +
                           std::to_string(voxel + static_cast<uint64_t>(file.gcount())) + " of " +
                           std::to_string(voxels) + " elements");
    }
    for (std::streamsize i = 0; i < want; ++i, ++voxel) {
      if (buffer[static_cast<size_t>(i)] == 0) continue;
      bits[voxel / 8] = static_cast<char>(bits[voxel / 8] | 1 << (7 - voxel % 8));
    }
  }
  mask->shape = Coordinate(*shape);
  mask->bits = std::move(bits);
  return OkStatus();
}

}  // namespace bellis
