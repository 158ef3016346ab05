#include "common/task/field_text.h"

#include <gtest/gtest.h>

#include <string>

namespace bellis {
namespace {

TEST(FieldText, QuotesOnOneLine) {
  EXPECT_EQ(Quoted("plain"), "\"plain\"");
  EXPECT_EQ(Quoted(""), "\"\"");
  EXPECT_EQ(Quoted("a\nb\tc"), "\"a\\nb\\x09c\"");
  EXPECT_EQ(Quoted("say \"hi\" \\"), "\"say \\\"hi\\\" \\\\\"");
  EXPECT_EQ(Quoted("\x1b[31m"), "\"\\x1b[31m\"");
  EXPECT_EQ(Quoted("é\xff"), "\"é\\xff\"");
}

TEST(FieldText, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(Quoted(std::string(60, 'a')), "\"" + std::string(60, 'a') + "\"");
  EXPECT_EQ(Quoted(std::string(61, 'a')), "\"" + std::string(60, 'a') + "...\"");
  EXPECT_EQ(Quoted(std::string(59, 'a') + "éb"), "\"" + std::string(59, 'a') + "é...\"");
}

TEST(FieldText, KnowsUtf8) {
  for (const char* good :
       {"", "a", "é", "日", "😀", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE6\x97",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xC3z"}) {
    EXPECT_FALSE(IsUtf8(bad)) << Quoted(bad);
  }
}

TEST(FieldText, ListsTheFirstWords) {
  EXPECT_EQ(Listed({}), "");
  EXPECT_EQ(Listed({"a", "b"}), "a, b");
  EXPECT_EQ(Listed(std::vector<std::string>(18, "a"), "-"),
            "a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-... (2 more)");
}

}  // namespace
}  // namespace bellis
