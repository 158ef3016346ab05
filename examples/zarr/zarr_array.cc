#include "examples/zarr/zarr_array.h"

#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>

#include "examples/zarr/atomic_file.h"

namespace bellis::examples {

ZarrArray ZarrArray::Open(const std::filesystem::path& path) {
  return {path, ReadZarrMetadata(path)};
}

Box ZarrArray::bounds() const { return {.begin = Index(shape().size(), 0), .shape = shape()}; }

void ZarrArray::CheckAccess(std::optional<DataType> dtype, const Box& box) const {
  if (dtype != metadata_.dtype) {
    throw ZarrError(path_, std::string("dtype is ") + DataTypeName(metadata_.dtype) +
                               "; it is accessed as " +
                               (dtype ? DataTypeName(*dtype)
                                      : "a type that Zarr arrays of this "
                                        "library cannot have"));
  }
  if (box.begin.size() != shape().size() || box.shape.size() != shape().size()) {
    throw ZarrError(path_, "box " + ToString(box.begin) + " + " + ToString(box.shape) +
                               " has rank " + std::to_string(box.begin.size()) +
                               "; accepted: " + std::to_string(shape().size()));
  }
  for (size_t dim = 0; dim < box.shape.size(); ++dim) {
    int64_t end = 0;
    if (box.shape[dim] < 0 || __builtin_add_overflow(box.begin[dim], box.shape[dim], &end)) {
      throw ZarrError(path_, "box is " + ToString(box.begin) + " + " + ToString(box.shape) +
                                 "; accepted: shapes of at least 0, ends that fit in an int64");
    }
  }
  try {
    ElementCount(box.shape);
  } catch (const std::overflow_error& error) {
    throw ZarrError(path_, error.what());
  }
}

void ZarrArray::ReadBytes(const Box& box, std::span<std::byte> values) const {
  const Box inside = Intersect(box, bounds());
  ForEachIndex(ChunksThatMeet(inside), [&](const Index& chunk) {
    const Box chunk_box = BoxOfChunk(chunk);
    CopyPart(Intersect(inside, chunk_box), metadata_.item_size(), chunk_box, LoadChunk(chunk), box,
             values);
  });
}

void ZarrArray::WriteBytes(const Box& box, size_t count, std::span<const std::byte> values) const {
  if (!bounds().Contains(box)) {
    throw ZarrError(path_, "box " + ToString(box) + " cannot be written; accepted: within " +
                               ToString(bounds()));
  }
  if (static_cast<int64_t>(count) != ElementCount(box.shape)) {
    throw ZarrError(path_, std::to_string(count) + " values cannot be written to box " +
                               ToString(box) +
                               "; accepted: " + std::to_string(ElementCount(box.shape)));
  }
  ForEachIndex(ChunksThatMeet(box), [&](const Index& chunk) {
    const Box chunk_box = BoxOfChunk(chunk);
    const bool whole = box.Contains(Intersect(chunk_box, bounds()));
    std::vector<std::byte> elements = whole ? FilledChunk() : LoadChunk(chunk);
    CopyPart(Intersect(box, chunk_box), metadata_.item_size(), box, values, chunk_box, elements);
    StoreChunk(chunk, elements);
  });
}

Box ZarrArray::ChunksThatMeet(const Box& box) const {
  Box chunks = box;
  if (box.empty()) {
    chunks.shape.assign(box.shape.size(), 0);
    return chunks;
  }
  for (size_t dim = 0; dim < box.shape.size(); ++dim) {
    const int64_t size = chunk_shape()[dim];
    chunks.begin[dim] = box.begin[dim] / size;
    chunks.shape[dim] = (box.begin[dim] + box.shape[dim] - 1) / size - chunks.begin[dim] + 1;
  }
  return chunks;
}

Box ZarrArray::BoxOfChunk(const Index& chunk) const {
  Box box{.begin = chunk, .shape = chunk_shape()};
  for (size_t dim = 0; dim < chunk.size(); ++dim) box.begin[dim] *= box.shape[dim];
  return box;
}

std::filesystem::path ZarrArray::FileOfChunk(const Index& chunk) const {
  std::string name;
  for (const int64_t number : chunk) {
    if (!name.empty()) name += metadata_.separator;
    name += std::to_string(number);
  }
  return path_ / name;
}

std::vector<std::byte> ZarrArray::FilledChunk() const {
  std::vector<std::byte> elements(metadata_.chunk_bytes());
  for (size_t at = 0; at < elements.size(); at += metadata_.item_size()) {
    std::memcpy(&elements[at], metadata_.fill.data(), metadata_.item_size());
  }
  return elements;
}

std::vector<std::byte> ZarrArray::LoadChunk(const Index& chunk) const {
  const std::filesystem::path file = FileOfChunk(chunk);
  try {
    const std::optional<std::vector<std::byte>> bytes = ReadWholeFile(file);
    return bytes ? metadata_.codec.Decode(*bytes, metadata_.chunk_bytes()) : FilledChunk();
  } catch (const std::runtime_error& error) {
    throw ZarrError(file, error.what());
  }
}

void ZarrArray::StoreChunk(const Index& chunk, std::span<const std::byte> elements) const {
  const std::filesystem::path file = FileOfChunk(chunk);
  try {
    ReplaceFile(file, metadata_.codec.Encode(elements, metadata_.item_size()));
  } catch (const std::runtime_error& error) {
    throw ZarrError(file, error.what());
  }
}

}  // namespace bellis::examples
