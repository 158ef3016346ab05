#include "common/text/printable.h"

#include <gtest/gtest.h>

namespace bellis {
namespace {

TEST(Printable, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[2Jb\nc\x7f"), "a?[2Jb?c?");
  EXPECT_EQ(Printable("\u009b"
                      "2J"),
            "?2J")
      << "the 8-bit CSI";
  EXPECT_EQ(Printable("smooth ✔ 平"), "smooth ✔ 平");
}

TEST(Printable, NoCharacterChangesTheDirectionOfWriting) {
  EXPECT_EQ(Printable("a\u202eb\u2066c\u200f"), "a?b?c?");
}

TEST(Printable, NoLineIsForged) {
  EXPECT_EQ(Printable("x\r\n[info] all is well"), "x??[info] all is well");
  EXPECT_EQ(Printable("x\u2028y"), "x?y");
}

TEST(Printable, LinesStay) {
  EXPECT_EQ(PrintableLines("a\n\tb\x1b[1m\n"), "a\n b?[1m\n");
  EXPECT_EQ(PrintableLines(""), "");
}

TEST(Printable, JsonKeepsItsMeaning) {
  EXPECT_EQ(PrintableJson("{\"a\":\"x\u009by\x7f\"}"), "{\"a\":\"x\\u009by\\u007f\"}");
  EXPECT_EQ(PrintableJson("[1,2]"), "[1,2]");
}

TEST(Printable, FirstLineSkipsEmptyOnes) {
  EXPECT_EQ(FirstLine("\n  Traceback\n more"), "Traceback");
  EXPECT_EQ(FirstLine(" \n"), "");
}

}  // namespace
}  // namespace bellis
