// No bytes from outside crash the codec, stall it, or make it take much memory.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <random>

#include "tests/common/protocol/sample_messages.h"

/// tests/fuzz/codec_fuzz.cc: decodes the bytes; a message that can be decoded survives another
/// round trip.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {
std::atomic<size_t> allocated_bytes = 0;
std::atomic<size_t> allocations = 0;
std::atomic<size_t> allocation_max = SIZE_MAX;  // a larger allocation fails
}  // namespace

// Counts the allocations of this program, and passes them on to malloc (the sanitizers' own, if
// any).
[[gnu::noinline]] void* operator new(size_t size) {
  allocated_bytes += size;
  ++allocations;
  void* memory = size <= allocation_max ? std::malloc(size) : nullptr;
  if (memory != nullptr) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace bellis {
namespace {

void Survive(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

/// The total of bytes that decoding allocated.
size_t BytesToDecode(const std::string& bytes) {
  Codec codec;
  const size_t before = allocated_bytes;
  codec.Decode(bytes);
  return allocated_bytes - before;
}

TEST(CodecHostile, AMessageThatNeedsTooMuchMemoryIsRefused) {
  SubmitMsg submit{.req = 7};
  MaskSpec mask;
  mask.offset = {0};
  mask.voxel_size = {1};
  mask.shape = {1 << 26};
  mask.bits.assign((1 << 26) / 8, '\xFF');  // 8 MiB, a thousand times the message
  TaskSpec task;
  task.task_id = "t";
  task.external_workers = true;
  task.total_roi = Roi({0}, {1 << 26});
  task.read_roi = task.write_roi = Roi({0}, {1});
  task.mask = std::move(mask);
  submit.spec.tasks = {std::move(task)};
  const std::string bytes = Encoded(submit);
  Codec codec;
  DecodeResult read = codec.Decode(bytes);
  ASSERT_TRUE(read.ok()) << read.error().message;
  allocation_max = 4 << 20;
  DecodeResult result = codec.Decode(bytes);
  allocation_max = SIZE_MAX;
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kLimit);
  EXPECT_EQ(result.error().message, "there is not enough memory to read this submit");
  EXPECT_EQ(result.error().req, 7U);
  EXPECT_TRUE(codec.Decode(bytes).ok());
}

TEST(CodecHostile, TextsOfAHelloAreCutInTheirMiddle) {
  const auto text = [](size_t size) { return "a" + std::string(size - 2, '-') + "z"; };
  const auto decoded = [&](size_t language, size_t host, size_t machine) {
    Codec codec;
    DecodeResult result = codec.Decode(Encoded(
        HelloMsg{.language = text(language), .host = text(host), .machine = text(machine)}));
    return std::get<HelloMsg>(result.message());
  };
  const HelloMsg whole = decoded(64, 256, 256);
  EXPECT_EQ(whole.language, text(64));
  EXPECT_EQ(whole.host, text(256));
  EXPECT_EQ(whole.machine, text(256));
  const HelloMsg cut = decoded(65, 257, 100'000);
  EXPECT_LE(cut.language.size(), 64U);
  EXPECT_LE(cut.host.size(), 256U);
  EXPECT_LE(cut.machine.size(), 256U);
  for (const std::string& kept : {cut.language, cut.host, cut.machine}) {
    EXPECT_TRUE(kept.starts_with("a-")) << kept;
    EXPECT_TRUE(kept.ends_with("-z")) << kept;
  }
}

TEST(CodecHostile, EveryTruncationIsAnError) {
  for (const Message& message : FullMessages()) {
    const std::string bytes = Encoded(message);
    for (size_t size = 0; size < bytes.size(); ++size) {
      // A copy of exactly that size, so that the address sanitizer sees a read beyond the end.
      const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
      Codec codec;
      DecodeResult result = codec.Decode(cut);
      ASSERT_FALSE(result.ok()) << KindName(message) << " cut to " << size;
      EXPECT_EQ(result.error().code, ErrorCode::kBadMessage);
    }
  }
}

TEST(CodecHostile, EverySingleByteMutationIsSurvived) {
  for (const Message& message : FullMessages()) {
    const std::string bytes = Encoded(message);
    // In long messages, try only the bytes that start a value of another type, and a few others.
    const int step = bytes.size() < 100 ? 1 : 32;
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (int value = 0; value < 256; value += value < 0xc0 || value >= 0xe0 ? step : 1) {
        std::string mutated = bytes;
        mutated[at] = static_cast<char>(value);
        Survive(mutated);
      }
    }
  }
}

TEST(CodecHostile, LengthsThatPromiseTooMuchTakeLittleMemory) {
  const std::string work = Hex("92") + PackedStr("work") + Hex("81") + PackedStr("blocks");
  for (const std::string& bytes :
       {Hex("dd 05 00 00 00"), Hex("df ff ff ff ff"), Hex("dd ff ff ff ff"), Hex("dc ff ff"),
        Hex("de ff ff"), Hex("db ff ff ff ff"), Hex("c6 ff ff ff ff"), Hex("c9 ff ff ff ff 05"),
        Hex("c9 ff ff ff fe 05"), Hex("c5 ff ff"), Hex("c8 ff ff 05"), Hex("d8 05"),
        Hex("92 dd ff ff ff ff"), Hex("92 db ff ff ff ff 61"), work + Hex("dd 05 00 00 00"),
        work + Hex("df 80 00 00 00"), work + Hex("dd 00 00 00 02 c0"),
        Hex("92") + PackedStr("ping") + Hex("df ff ff ff ff a0 00"),
        Hex("92") + PackedStr("bye") + Hex("81") + PackedStr("reason") +
            Hex("db ff ff ff ff 61")}) {
    DecodeResult result = Decoded(bytes);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kBadMessage) << result.error().message;
    EXPECT_LT(BytesToDecode(bytes), 4096u) << result.error().message;
  }
}

TEST(CodecHostile, DeepNestingIsRefused) {
  for (const char* open : {"91", "81 a0", "dd 00 00 00 01", "df 00 00 00 01 01"}) {
    std::string bytes;
    for (int depth = 0; depth < 1000; ++depth) bytes += Hex(open);
    const DecodeResult result = Decoded(bytes + Hex("c0"));
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().message.find("nested deeper than 16"), std::string::npos)
        << result.error().message;
  }
}

TEST(CodecHostile, SixteenLevelsAreRead) {
  const auto nested = [](size_t levels) {  // the message and its fields are two of the levels
    return Hex("92") + PackedStr("ping") + Hex("81") + PackedStr("x") +
           std::string(levels - 2, static_cast<char>(0x91)) + Hex("c0");
  };
  EXPECT_TRUE(Decoded(nested(16)).ok());
  EXPECT_FALSE(Decoded(nested(17)).ok());
}

// For every array and map that the codec reads: the largest message, full of the smallest values.
TEST(CodecHostile, FullMessagesOfTinyValuesTakeABoundedMultipleOfTheirSize) {
  const auto array = [](const std::string& head, const std::string& element) {
    const auto count = static_cast<uint32_t>((kMessageBytesMax - 100) / element.size());
    std::string bytes = head + Hex("dd");
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(count >> shift));
    for (uint32_t i = 0; i < count; ++i) bytes += element;
    return bytes;
  };
  const std::string work = Hex("92") + PackedStr("work") + Hex("81") + PackedStr("blocks");
  const std::string release = Hex("92") + PackedStr("release") + Hex("81") + PackedStr("results");
  const std::string jobs = Hex("92") + PackedStr("jobs") + Hex("81") + PackedStr("jobs");
  const std::string status = Hex("92") + PackedStr("ended") + Hex("81") + PackedStr("status") +
                             Hex("82") + PackedStr("job") + Hex("a0");
  const std::string command = Hex("92") + PackedStr("launch") + Hex("82") + PackedStr("worker") +
                              Hex("01") + PackedStr("command");
  const std::string submit = Hex("92") + PackedStr("submit") + Hex("81") + PackedStr("job");
  for (const std::string& bytes : {
           array(work, Hex("c0")),
           array(work, Hex("80")),
           array(release, Hex("81") + PackedStr("lease") + Hex("01")),
           array(jobs, Hex("81") + PackedStr("job") + Hex("a0")),
           array(status + PackedStr("tasks"), Hex("81") + PackedStr("task") + Hex("a0")),
           array(command, Hex("a0")),
           array(submit, Hex("c0")),
           array(submit + Hex("81") + PackedStr("tasks"), Hex("c0")),
           array(submit + Hex("81") + PackedStr("tasks"), Hex("80")),
           array(Hex("92") + PackedStr("ping") + Hex("81") + PackedStr("x"), Hex("c0")),
       }) {
    ASSERT_LE(bytes.size(), kMessageBytesMax);
    // A growing vector allocates up to twice its final size in all, and frees half of that.
    EXPECT_LT(BytesToDecode(bytes), 180 * kMessageBytesMax) << bytes.substr(0, 20);
  }
}

TEST(CodecHostile, RandomBytesAreSurvived) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    Survive(bytes);
  }
}

// Pieces of messages in random order reach more of the code than random bytes do.
TEST(CodecHostile, RandomPiecesOfMessagesAreSurvived) {
  std::mt19937_64 random(2);
  std::vector<std::string> whole;
  for (const Message& message : FullMessages()) whole.push_back(Encoded(message));
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole[random() % whole.size()];
    for (uint64_t edits = random() % 4 + 1; edits > 0 && !bytes.empty(); --edits) {
      const std::string& other = whole[random() % whole.size()];
      const size_t from = random() % other.size();
      const size_t at = random() % bytes.size();
      bytes.replace(at, random() % 8, other.substr(from, random() % 16));
    }
    Survive(bytes);
  }
}

TEST(CodecHostile, DecodingAllocatesOnlyWhatTheMessageHolds) {
  Codec codec;
  const auto allocations_of = [&](const Message& message) {
    const auto encode = [&] { return codec.Encode(message); };
    const std::string bytes(encode().begin(), encode().end());
    codec.Decode(bytes);  // grows the tape
    const size_t before = allocations;
    encode();
    EXPECT_EQ(allocations, before) << KindName(message);
    DecodeResult result = codec.Decode(bytes);
    EXPECT_TRUE(result.ok());
    return allocations - before;
  };
  EXPECT_EQ(allocations_of(AcquireMsg{.want = 1}), 0U);
  EXPECT_EQ(allocations_of(ReleaseMsg{.results = {{.lease = LeaseId(1), .error = ""}}, .want = 1}),
            1U);
  EXPECT_EQ(allocations_of(WorkMsg{.blocks = {{.lease = LeaseId(1),
                                               .index = 0,
                                               .id = 0,
                                               .read = Roi({0, 0, 0}, {1, 1, 1}),
                                               .write = Roi({0, 0, 0}, {1, 1, 1})}}}),
            1U);
}

}  // namespace
}  // namespace bellis
