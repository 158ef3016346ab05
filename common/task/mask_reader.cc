#include "common/task/mask_reader.h"

#include <zlib.h>

#include <string>
#include <vector>

namespace bellis {
namespace {

using nlohmann::json;

/// Inflates `packed`; nullopt if it is damaged, or has more than `bytes_max` bytes.
std::optional<std::string> Inflate(const std::vector<uint8_t>& packed, uint64_t bytes_max) {
  // Has room for one byte more than allowed, so that too many bytes are noticed.
  std::string bytes(bytes_max + 1, '\0');
  uLongf size = bytes.size();
  if (uncompress(reinterpret_cast<Bytef*>(bytes.data()), &size, packed.data(), packed.size()) !=
      Z_OK) {
    return std::nullopt;
  }
  bytes.resize(size);
  return bytes;
}

std::vector<uint8_t> Deflate(const std::string& bytes) {
  std::vector<uint8_t> packed(compressBound(bytes.size()));
  uLongf size = packed.size();
  compress2(packed.data(), &size, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(),
            Z_DEFAULT_COMPRESSION);
  packed.resize(size);
  return packed;
}

json Numbers(const Coordinate& c) { return std::vector<int64_t>(c.begin(), c.end()); }

/// The number of voxels; nullopt if there are too many for a mask.
std::optional<uint64_t> CountVoxels(const Coordinate& shape) {
  uint64_t voxels = 1;
  for (const int64_t extent : shape) {
    if (extent < 1 || static_cast<uint64_t>(extent) > kMaskVoxelsMax / voxels) return std::nullopt;
    voxels *= static_cast<uint64_t>(extent);
  }
  return voxels;
}

}  // namespace

std::optional<MaskSpec> ReadMask(const FieldReader& fields, std::string_view key) {
  const json* value = fields.Find(key);
  if (value == nullptr) return std::nullopt;
  FirstTrouble& trouble = fields.trouble();
  const FieldReader table(*value, fields.PathOf(key),
                          {"offset", "voxel_size", "shape", "bits", "file"}, trouble);
  MaskSpec mask;
  mask.offset = ReadCoordinate(table, "offset");
  mask.voxel_size = ReadCoordinate(table, "voxel_size");
  mask.file = table.Text("file");
  if (!mask.file.empty() || trouble.any()) return mask;
  mask.shape = ReadCoordinate(table, "shape");
  const json* bits = table.Find("bits", "file = \"....npy\", or in a message bits");
  if (trouble.any()) return mask;
  if (!bits->is_binary()) {
    trouble.Set(table.PathOf("bits"), "is " + ValueText(*bits) + "; binary data");
    return mask;
  }
  if (!CountVoxels(mask.shape)) return mask;  // FindMaskTrouble reports it
  auto inflated = Inflate(bits->get_binary(), MaskBytes(mask.shape));
  if (!inflated) {
    trouble.Set(table.PathOf("bits"), "are not what zlib made of " +
                                          std::to_string(MaskBytes(mask.shape)) +
                                          " bytes; one bit a voxel, packed and compressed");
    return mask;
  }
  mask.bits = *std::move(inflated);
  return mask;
}

json MaskToJson(const MaskSpec& mask) {
  json table = {{"offset", Numbers(mask.offset)}, {"voxel_size", Numbers(mask.voxel_size)}};
  if (!mask.file.empty() && mask.bits.empty()) {
    table["file"] = mask.file;
    return table;
  }
  table["shape"] = Numbers(mask.shape);
  table["bits"] = json::binary(Deflate(mask.bits));
  return table;
}

std::optional<Trouble> FindMaskTrouble(const MaskSpec& mask, int rank, const FieldPath& path) {
  const std::pair<const char*, const Coordinate*> fields[] = {
      {"offset", &mask.offset}, {"voxel_size", &mask.voxel_size}, {"shape", &mask.shape}};
  const bool unread = !mask.file.empty() && mask.bits.empty();
  for (const auto& [name, numbers] : fields) {
    if (unread && numbers == &mask.shape) continue;
    if (numbers->rank() == rank) continue;
    return Trouble{path.Key(name), "has " + std::to_string(numbers->rank()) + " dimensions; " +
                                       std::to_string(rank) + ", as total_roi has"};
  }
  if (!unread && !CountVoxels(mask.shape)) {
    return Trouble{path.Key("shape"), "is " + mask.shape.ToString() +
                                          "; at least 1 voxel in each dimension, and at most " +
                                          std::to_string(kMaskVoxelsMax) + " (2^26) in all"};
  }
  for (int d = 0; d < rank; ++d) {
    const auto at = static_cast<size_t>(d);
    if (mask.voxel_size[d] < 1 || mask.voxel_size[d] > kWorldMax) {
      return Trouble{path.Key("voxel_size").At(at), "is " + std::to_string(mask.voxel_size[d]) +
                                                        "; 1 to " + std::to_string(kWorldMax) +
                                                        " (2^61)"};
    }
    if (mask.offset[d] < -kWorldMax || mask.offset[d] > kWorldMax) {
      return Trouble{path.Key("offset").At(at), "is " + std::to_string(mask.offset[d]) +
                                                    "; within +-" + std::to_string(kWorldMax) +
                                                    " (2^61)"};
    }
    if (unread) continue;
    if (mask.voxel_size[d] > (kWorldMax - mask.offset[d]) / mask.shape[d]) {
      return Trouble{path, "ends beyond " + std::to_string(kWorldMax) + " (2^61) in dimension " +
                               std::to_string(d)};
    }
  }
  return std::nullopt;
}

}  // namespace bellis
