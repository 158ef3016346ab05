#include "common/text/nearest_word.h"

#include <gtest/gtest.h>

#include <string>

namespace bellis {
namespace {

TEST(NearestWord, CountsEdits) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("name", "nmae"), 2u);
}

TEST(NearestWord, FindsTheWordThatWasMeant) {
  const std::vector<std::string_view> known = {"read_roi", "write_roi", "workers", "task_id"};
  EXPECT_EQ(NearestWord("raed_roi", known), "read_roi");
  EXPECT_EQ(NearestWord("num_workers", known), "workers");
  EXPECT_EQ(NearestWord("id", known), "task_id");
  EXPECT_EQ(NearestWord("colour", known), std::nullopt);
  EXPECT_EQ(NearestWord("", known), std::nullopt);
  EXPECT_EQ(NearestWord(std::string(100'000, 'a'), known), std::nullopt);
}

}  // namespace
}  // namespace bellis
