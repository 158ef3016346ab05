#include "common/protocol/wire_text.h"

#include <gtest/gtest.h>

#include <vector>

namespace bellis::wire {
namespace {

TEST(WireText, KnowsWellFormedUtf8) {
  for (const char* text :
       {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "seven b\xc3\xa4",
        "0123456\xe2\x82\xac"
        "89abcdef"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  EXPECT_TRUE(IsUtf8(std::string_view("a\0b", 3)));
  for (const char* text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2g", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x90\x80",
        "\xff", "01234567\x80", "0123456\xc3"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

// The oracle: decode by the definition, byte by byte.
bool IsCharacter(const std::string& text) {
  std::vector<unsigned> bytes;
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  unsigned code = 0;
  size_t length = 0;
  if (bytes[0] < 0x80) {
    code = bytes[0];
    length = 1;
  } else if (bytes[0] >> 5 == 0x6) {
    code = bytes[0] & 0x1f;
    length = 2;
  } else if (bytes[0] >> 4 == 0xe) {
    code = bytes[0] & 0xf;
    length = 3;
  } else if (bytes[0] >> 3 == 0x1e) {
    code = bytes[0] & 0x7;
    length = 4;
  }
  if (length != bytes.size()) return false;
  for (size_t i = 1; i < length; ++i) {
    if (bytes[i] >> 6 != 2) return false;
    code = code << 6 | (bytes[i] & 0x3f);
  }
  const unsigned shortest[] = {0, 0, 0x80, 0x800, 0x10000};
  return code >= shortest[length] && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
}

TEST(WireText, AgreesWithTheDefinitionOnAllPairsAndManyQuadruples) {
  for (unsigned a = 0x80; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      const std::string two{static_cast<char>(a), static_cast<char>(b)};
      ASSERT_EQ(IsUtf8(two), IsCharacter(two)) << a << " " << b;
      for (const unsigned c : {0x00u, 0x7fu, 0x80u, 0xa5u, 0xbfu, 0xc0u}) {
        const std::string three = two + static_cast<char>(c);
        const bool expected = IsCharacter(three) || (IsCharacter(two) && c < 0x80);
        ASSERT_EQ(IsUtf8(three), expected) << a << " " << b << " " << c;
        const std::string four = three + '\x80';
        ASSERT_EQ(IsUtf8(four), IsCharacter(four)) << a << " " << b << " " << c;
      }
    }
  }
}

TEST(WireText, RepairReplacesBadBytesOnly) {
  std::string scratch;
  EXPECT_EQ(RepairUtf8("", scratch), "");
  EXPECT_EQ(RepairUtf8("fine \xc3\xa4", scratch), "fine \xc3\xa4");
  EXPECT_EQ(RepairUtf8("\xff", scratch), "?");
  EXPECT_EQ(RepairUtf8("a\x80\x80 b\xe2\x82 c\xe2\x82\xac", scratch), "a?? b?? c\xe2\x82\xac");
  scratch = "its own \xfe input";
  EXPECT_EQ(RepairUtf8(scratch, scratch), "its own ? input");
}

TEST(WireText, CutsTheMiddle) {
  std::string scratch;
  EXPECT_EQ(CutMiddle("short", 64, scratch), "short");
  const std::string text = "begin" + std::string(1000, '.') + "end";
  const std::string_view cut = CutMiddle(text, 100, scratch);
  EXPECT_LE(cut.size(), 100u);
  EXPECT_EQ(cut,
            "begin................................\n[... 934 bytes cut ...]\n"
            "..................................end");
}

TEST(WireText, CutsBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "\xf0\x9f\x8c\xb8";  // four bytes each
  for (size_t limit = 64; limit < 90; ++limit) {
    std::string scratch;
    const std::string_view cut = CutMiddle(text, limit, scratch);
    EXPECT_TRUE(IsUtf8(cut)) << limit;
    EXPECT_LE(cut.size(), limit);
    EXPECT_GT(cut.size(), limit - 12);
  }
  std::string scratch;
  EXPECT_LE(CutMiddle(std::string(1000, '\x80'), 64, scratch).size(), 64u);
}

TEST(WireText, QuotesOnOneLine) {
  EXPECT_EQ(Quoted("abc"), "\"abc\"");
  EXPECT_EQ(Quoted("a\nb\x7f\xff"), "\"a?b??\"");
  EXPECT_EQ(Quoted(std::string(100, 'x')), '"' + std::string(60, 'x') + "...\"");
  EXPECT_EQ(Quoted(std::string(59, 'x') + "\xc3\xa4"), '"' + std::string(59, 'x') + "...\"");
}

}  // namespace
}  // namespace bellis::wire
