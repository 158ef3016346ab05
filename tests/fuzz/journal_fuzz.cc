// libFuzzer target: reads any bytes as stored sets of blocks. A set that can be read is written and
// read again, and must then be equal. The first byte says which kind. A checksum that fits is put
// in front, so that the code behind the check of the checksum is reached.

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "broker/journal/block_set.h"
#include "common/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto sum =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(sum >> shift));
  bytes += body;
  if (data[0] % 2 == 0) {
    auto group = bellis::DecodeGroup(bytes, "");
    if (!group.ok()) return 0;
    // Writing sorts the set and leaves out duplicates. After that, the bytes do not change any
    // more.
    const std::string once = bellis::EncodeGroup(&*group, "");
    auto again = bellis::DecodeGroup(once, "");
    BELLIS_CHECK(again.ok(), "a group that cannot be read back");
    BELLIS_CHECK(bellis::EncodeGroup(&*again, "") == once, "another group after a round trip");
    return 0;
  }
  auto chunk = bellis::DecodeChunk(bytes, "");
  if (!chunk.ok()) return 0;
  auto again = bellis::DecodeChunk(bellis::EncodeChunk(*chunk, ""), "");
  BELLIS_CHECK(again.ok() && *again == *chunk, "another chunk after a round trip");
  return 0;
}
