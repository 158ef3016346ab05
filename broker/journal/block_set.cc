#include "broker/journal/block_set.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace bellis {
namespace {

constexpr size_t kWords = kChunkBlocks / 64;
enum ChunkForm : uint8_t { kRuns, kBits };
enum Section : uint8_t { kAttempts = Group::kKinds, kSections };

Error Damaged(const std::string& what) { return {ErrorCode::kStorage, "damaged: " + what}; }

void PutVarint(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

uint32_t Checksum(std::string_view place, std::string_view bytes) {
  const auto add = [](uLong sum, std::string_view more) {
    return crc32(sum, reinterpret_cast<const Bytef*>(more.data()), static_cast<uInt>(more.size()));
  };
  return static_cast<uint32_t>(add(add(0, place), bytes));
}

std::string Sealed(const std::string& body, std::string_view place) {
  const uint32_t sum = Checksum(place, body);
  std::string sealed(sizeof(sum), '\0');
  for (size_t i = 0; i < sizeof(sum); ++i) sealed[i] = static_cast<char>(sum >> (8 * i));
  return sealed + body;
}

/// Reads numbers from the front. After the first error, every further read fails, too.
class Reader {
 public:
  /// Checks the checksum at the front, and skips it.
  Reader(std::string_view sealed, std::string_view place) {
    if (sealed.size() < 4) {
      bad_ = true;
      return;
    }
    uint32_t sum = 0;
    for (size_t i = 0; i < 4; ++i) {
      sum |= static_cast<uint32_t>(static_cast<unsigned char>(sealed[i])) << (8 * i);
    }
    rest_ = sealed.substr(4);
    bad_ = sum != Checksum(place, rest_);
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 63 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    bad_ = true;
    return 0;
  }
  /// A count of items, each of which takes at least one byte.
  uint64_t Count() {
    const uint64_t count = Varint();
    if (count > rest_.size()) bad_ = true;
    return bad_ ? 0 : count;
  }
  void Require(bool holds) { bad_ |= !holds; }
  std::string_view rest() const { return rest_; }
  bool bad() const { return bad_; }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool bad_ = false;
};

/// The next index of an ascending list. The first index is stored as it is, each later one as the
/// difference to the index before it.
BlockIndex NextIndex(Reader* in, BlockIndex before, bool first) {
  const uint64_t step = in->Varint();
  in->Require(first || step > 0);
  in->Require(step <= kStoredIndexMax - before);
  return before + step;
}

}  // namespace

std::string GroupPlace(JobNumber job) { return "group " + std::to_string(job.value); }

std::string ChunkPlace(JobNumber job, TaskIndex task, int kind, uint64_t chunk) {
  std::string place = "chunk";
  for (const uint64_t key : {job.value, uint64_t{task}, static_cast<uint64_t>(kind), chunk}) {
    place += " " + std::to_string(key);
  }
  return place;
}

std::string EncodeGroup(Group* group, std::string_view place) {
  std::string body;
  for (auto& [task, sets] : group->tasks) {
    for (uint8_t kind = 0; kind < Group::kKinds; ++kind) {
      auto& blocks = sets.blocks[kind];
      if (blocks.empty()) continue;
      std::sort(blocks.begin(), blocks.end());
      blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
      PutVarint(&body, task);
      PutVarint(&body, kind);
      PutVarint(&body, blocks.size());
      BlockIndex before = 0;
      for (const BlockIndex block : blocks) PutVarint(&body, block - std::exchange(before, block));
    }
    if (sets.attempts.empty()) continue;
    // If a block occurs several times, its last entry has the number of all its attempts.
    std::map<BlockIndex, uint32_t> attempts;
    for (const auto& [block, failed] : sets.attempts) attempts[block] = failed;
    sets.attempts.assign(attempts.begin(), attempts.end());
    PutVarint(&body, task);
    PutVarint(&body, kAttempts);
    PutVarint(&body, attempts.size());
    BlockIndex before = 0;
    for (const auto& [block, failed] : attempts) {
      PutVarint(&body, block - std::exchange(before, block));
      PutVarint(&body, failed);
    }
  }
  return Sealed(body, place);
}

Result<Group> DecodeGroup(std::string_view bytes, std::string_view place) {
  Reader in(bytes, place);
  Group group;
  while (!in.bad() && !in.done()) {
    const uint64_t task = in.Varint();
    const uint64_t section = in.Varint();
    const uint64_t count = in.Count();
    in.Require(task < UINT32_MAX && section < kSections && count > 0);
    if (in.bad()) break;
    Group::Task& sets = group.tasks[static_cast<TaskIndex>(task)];
    BlockIndex at = 0;
    for (uint64_t i = 0; i < count && !in.bad(); ++i) {
      at = NextIndex(&in, at, i == 0);
      if (section == kAttempts) {
        const uint64_t failed = in.Varint();
        in.Require(failed > 0 && failed <= UINT32_MAX);
        sets.attempts.emplace_back(at, static_cast<uint32_t>(failed));
      } else {
        sets.blocks[section].push_back(at);
      }
    }
  }
  if (in.bad()) return Damaged("a group of " + std::to_string(bytes.size()) + " bytes");
  return group;
}

std::string EncodeChunk(const ChunkBits& bits, std::string_view place) {
  std::vector<BlockRun> runs;
  AppendRuns(bits, 0, &runs);
  std::string body(1, static_cast<char>(kRuns));
  BlockIndex at = 0;
  for (const BlockRun& run : runs) {
    PutVarint(&body, run.begin - at);
    PutVarint(&body, run.end - run.begin);
    at = run.end;
    if (body.size() > kWords * 8) break;
  }
  if (body.size() > kWords * 8) {
    body.assign(1, static_cast<char>(kBits));
    for (const uint64_t word : bits) {
      for (int i = 0; i < 64; i += 8) body.push_back(static_cast<char>(word >> i));
    }
  }
  return Sealed(body, place);
}

Result<ChunkBits> DecodeChunk(std::string_view bytes, std::string_view place) {
  Reader in(bytes, place);
  ChunkBits bits(kWords);
  const uint64_t form = in.bad() ? 0 : in.Varint();
  if (form == kBits && in.rest().size() == kWords * 8) {
    for (size_t i = 0; i < kWords * 8; ++i) {
      bits[i / 8] |= uint64_t{static_cast<unsigned char>(in.rest()[i])} << (i % 8 * 8);
    }
  } else {
    in.Require(form == kRuns);
    uint64_t at = 0;
    while (!in.bad() && !in.done()) {
      const uint64_t gap = in.Varint();
      const uint64_t length = in.Varint();
      in.Require(length > 0 && gap <= kChunkBlocks && length <= kChunkBlocks &&
                 at + gap + length <= kChunkBlocks);
      if (in.bad()) break;
      at += gap;
      for (const uint64_t end = at + length; at < end;) {
        const uint64_t until = std::min(end, (at / 64 + 1) * 64);
        const uint64_t count = until - at;
        const uint64_t ones = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
        bits[at / 64] |= ones << at % 64;
        at = until;
      }
    }
  }
  if (in.bad()) return Damaged("a chunk of " + std::to_string(bytes.size()) + " bytes");
  return bits;
}

void AppendRuns(const ChunkBits& bits, BlockIndex base, std::vector<BlockRun>* runs) {
  for (size_t w = 0; w < bits.size(); ++w) {
    uint64_t word = bits[w];
    while (word != 0) {
      const int begin = std::countr_zero(word);
      const int length = std::countr_one(word >> begin);
      const BlockIndex first = base + w * 64 + static_cast<uint64_t>(begin);
      const BlockIndex end = first + static_cast<uint64_t>(length);
      if (!runs->empty() && runs->back().end == first) {
        runs->back().end = end;
      } else {
        runs->push_back({first, end});
      }
      if (begin + length >= 64) break;
      word &= ~uint64_t{0} << (begin + length);
    }
  }
}

}  // namespace bellis
