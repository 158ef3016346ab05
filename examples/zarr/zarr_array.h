#pragma once

// A Zarr v2 array in a directory, read and written box by box. Workers can share an array with
// zarr-python and similar libraries, without depending on them.
//
//     const auto labels = ZarrArray::Open("volume.zarr/labels");
//     std::vector<uint32_t> values = labels.Read<uint32_t>({.begin = {-10, -10}, .shape = {20,
//     20}});
//
// Supported: C order; dtypes |u1, <u4, <f4, <f8; compressor null, blosc or zlib; no filters; "."
// and "/" between the numbers of a chunk's name. Anything else is refused when the array is opened.
//
// Several processes may read and write at the same time, with one rule: *no two of them write
// into the same chunk*. Writing part of a chunk reads it, changes it and writes it back, and the
// change of another process in between is lost. Let write ROIs be multiples of the chunks.
//
// A chunk is written to a temporary file, which is then renamed. So a reader sees the old chunk or
// the new one, never half a chunk, even when the writer is killed. Nothing is synced: a power cut
// may lose the writes of the last seconds.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "examples/zarr/box.h"
#include "examples/zarr/zarr_error.h"
#include "examples/zarr/zarr_metadata.h"

namespace bellis::examples {

/// Holds only the metadata, no open file and no data, so it is cheap to keep, and safe to use from
/// several threads.
class ZarrArray {
 public:
  /// Throws ZarrError unless `path` is the directory of a supported array.
  static ZarrArray Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const Index& shape() const { return metadata_.shape; }
  const Index& chunk_shape() const { return metadata_.chunk_shape; }
  DataType dtype() const { return metadata_.dtype; }
  /// The box of the whole array, which begins at 0.
  Box bounds() const;

  /// The elements at `box`, in C order. Elements outside of the array are `outside`, elements of
  /// chunks without a file are the array's fill value.
  /// Throws ZarrError when T is not the array's dtype, the ranks differ, or a chunk is damaged.
  template <typename T>
  std::vector<T> Read(const Box& box, T outside = T{}) const {
    CheckAccess(kDataTypeOf<T>, box);
    std::vector<T> values(static_cast<size_t>(ElementCount(box.shape)), outside);
    ReadBytes(box, std::as_writable_bytes(std::span(values)));
    return values;
  }

  /// Writes `values`, in C order, at `box`, chunk by chunk. Chunks that `box` covers are replaced
  /// without being read.
  /// Throws ZarrError before it writes anything when T is not the array's dtype, `box` does not lie
  /// within the array, or the number of values is not the box's number of elements. If the disk
  /// fails, throws ZarrError after some chunks may have been written.
  template <typename T>
  void Write(const Box& box, std::span<const T> values) const {
    CheckAccess(kDataTypeOf<T>, box);
    WriteBytes(box, values.size(), std::as_bytes(values));
  }

 private:
  ZarrArray(std::filesystem::path path, ZarrMetadata metadata)
      : path_(std::move(path)), metadata_(std::move(metadata)) {}

  void CheckAccess(std::optional<DataType> dtype, const Box& box) const;
  void ReadBytes(const Box& box, std::span<std::byte> values) const;
  void WriteBytes(const Box& box, size_t count, std::span<const std::byte> values) const;

  /// The indices of the chunks that `box`, which lies within the array, meets.
  Box ChunksThatMeet(const Box& box) const;
  /// The box of the chunk's elements; at the upper border it reaches beyond the array.
  Box BoxOfChunk(const Index& chunk) const;
  std::filesystem::path FileOfChunk(const Index& chunk) const;
  /// All elements of a chunk; fill values when the chunk has no file.
  std::vector<std::byte> LoadChunk(const Index& chunk) const;
  void StoreChunk(const Index& chunk, std::span<const std::byte> elements) const;
  std::vector<std::byte> FilledChunk() const;

  std::filesystem::path path_;
  ZarrMetadata metadata_;
};

}  // namespace bellis::examples
