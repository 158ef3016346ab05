#include "tools/text.h"

#include <gtest/gtest.h>

namespace bellis {
namespace {

TEST(Text, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("✔ é"), 3);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1) << "combining";
  EXPECT_EQ(DisplayWidth("平滑"), 4);
  EXPECT_EQ(DisplayWidth("\xff\xfe"
                         "a"),
            3)
      << "no UTF-8";
  EXPECT_EQ(DisplayWidth("\xe2\x82"), 2) << "cut short";
}

TEST(Text, ClippingKeepsWholeCharacters) {
  EXPECT_EQ(ClipToWidth("abcdef", 6), "abcdef");
  EXPECT_EQ(ClipToWidth("abcdef", 4), "abc…");
  EXPECT_EQ(ClipToWidth("平滑平滑", 4), "平…") << "a wide one does not fit by half";
  EXPECT_EQ(ClipToWidth("abc", 1), "…");
}

TEST(Text, PaddingFillsToTheWidth) {
  EXPECT_EQ(PadRight("é", 3), "é  ");
  EXPECT_EQ(PadLeft("12", 4), "  12");
  EXPECT_EQ(PadRight("abcdef", 3), "ab…");
}

TEST(Text, DurationsHaveTwoUnitsAtMost) {
  EXPECT_EQ(DurationText(0.04), "0.0 s");
  EXPECT_EQ(DurationText(4.25), "4.2 s");
  EXPECT_EQ(DurationText(9.96), "10 s");
  EXPECT_EQ(DurationText(59.6), "1 m 00 s");
  EXPECT_EQ(DurationText(125), "2 m 05 s");
  EXPECT_EQ(DurationText(3725), "1 h 02 m");
  EXPECT_EQ(DurationText(100'000), "1 d 03 h");
}

TEST(Text, MillisAndRatesPickTheirUnit) {
  EXPECT_EQ(MillisText(0.123), "0.12 ms");
  EXPECT_EQ(MillisText(12.34), "12.3 ms");
  EXPECT_EQ(MillisText(1234), "1.23 s");
  EXPECT_EQ(MillisText(61'000), "1 m 01 s");
  EXPECT_EQ(RateText(0), "");
  EXPECT_EQ(RateText(1234.5), "1234/s");
  EXPECT_EQ(RateText(12.34), "12.3/s");
  EXPECT_EQ(RateText(0.1), "6.0/min");
  EXPECT_EQ(RateText(0.001), "3.6/h");
}

}  // namespace
}  // namespace bellis
