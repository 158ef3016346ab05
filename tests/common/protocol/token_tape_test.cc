#include "common/protocol/token_tape.h"

#include <gtest/gtest.h>

#include "common/protocol/tape_reader.h"
#include "tests/common/protocol/sample_messages.h"

namespace bellis::wire {
namespace {

std::vector<std::string> Tokens(const std::string& bytes) {
  TokenTape tape;
  if (!tape.Parse(bytes)) return {tape.problem()};
  std::vector<std::string> tokens;
  for (size_t i = 0; i < tape.size(); ++i) tokens.push_back(Describe(tape.begin()[i]));
  return tokens;
}

TEST(TokenTape, LaysValuesOutInTheirOrder) {
  EXPECT_EQ(Tokens(Packed(R"(["acquire", {"want": 1, "x": [-2, [], {}, 1.5]}])")),
            (std::vector<std::string>{"an array of 2", "\"acquire\" (str)", "a map of 2",
                                      "\"want\" (str)", "1 (uint)", "\"x\" (str)", "an array of 4",
                                      "-2 (int)", "an array of 0", "a map of 0", "1.5 (float)"}));
  EXPECT_EQ(Tokens(Hex("97 c0 c2 c3 c4 02 00 00 d4 05 00 a0 ca 3f 00 00 00")),
            (std::vector<std::string>{"an array of 7", "nil", "false (bool)", "true (bool)",
                                      "2 bytes (bin)", "an extension type", "\"\" (str)",
                                      "0.5 (float)"}));
}

TEST(TokenTape, SignedFormsOfWhatIsNotNegativeAreUints) {
  EXPECT_EQ(Tokens(Hex("d0 7f")), std::vector<std::string>{"127 (uint)"});
  EXPECT_EQ(Tokens(Hex("d3 00 00 00 00 00 00 00 00")), std::vector<std::string>{"0 (uint)"});
  EXPECT_EQ(Tokens(Hex("d0 ff")), std::vector<std::string>{"-1 (int)"});
  EXPECT_EQ(Tokens(Hex("cf ff ff ff ff ff ff ff ff")),
            std::vector<std::string>{"18446744073709551615 (uint)"});
}

TEST(TokenTape, SkipsAValueWithAllThatItHolds) {
  const std::string bytes = Packed(R"([[1, {"a": [2, {}]}, []], "next"])");
  TokenTape tape;
  ASSERT_TRUE(tape.Parse(bytes));
  EXPECT_EQ(Describe(*SkipValue(tape.begin() + 1)), "\"next\" (str)");
  EXPECT_EQ(SkipValue(tape.begin()), tape.begin() + tape.size());
}

TEST(TokenTape, RefusesContainersThatAnnounceMoreValuesThanBytes) {
  const std::string problem = "an array or a map promises more values than there are bytes";
  // Each container alone could have its announced size; all of them together cannot.
  for (const char* hex : {"93 93 93 93", "92 01", "81 01", "92 83 01 02 03 04 05"}) {
    const std::string got = Tokens(Hex(hex)).at(0);
    EXPECT_EQ(got.substr(0, problem.size()), problem) << hex;
  }
}

TEST(TokenTape, HoldsAtMostATokenAByte) {
  const std::string bytes = Hex("dc ff ff") + std::string(0xffff, '\0');
  TokenTape tape;
  ASSERT_TRUE(tape.Parse(bytes));
  EXPECT_EQ(tape.size(), 0x10000u);
  ASSERT_TRUE(tape.Parse(Hex("01")));
  EXPECT_EQ(tape.size(), 1u);
}

}  // namespace
}  // namespace bellis::wire
