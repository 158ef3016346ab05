#include "common/text/headline.h"

#include <gtest/gtest.h>

namespace bellis {
namespace {

TEST(Headline, OfATracebackIsItsException) {
  EXPECT_EQ(Headline("Traceback (most recent call last):\n"
                     "  File \"x.py\", line 1, in f\n"
                     "    raise ValueError('boom')\n"
                     "ValueError: boom\n"),
            "ValueError: boom");
}

TEST(Headline, OfAChainIsTheLastException) {
  EXPECT_EQ(Headline("Traceback (most recent call last):\n"
                     "  File \"x.py\", line 1, in f\n"
                     "ZeroDivisionError: division by zero\n"
                     "\n"
                     "The above exception was the direct cause of the following exception:\n"
                     "\n"
                     "Traceback (most recent call last):\n"
                     "  File \"x.py\", line 2, in f\n"
                     "KeyError: 'x'\n"),
            "KeyError: 'x'");
}

TEST(Headline, OfAMessageOfSeveralLinesIsItsFirst) {
  EXPECT_EQ(Headline("Traceback (most recent call last):\n"
                     "  File \"x.py\", line 1, in f\n"
                     "ValueError: shapes differ\nleft (3,)\nright (4,)\n"),
            "ValueError: shapes differ");
}

TEST(Headline, OfAGroupNamesItsFirstException) {
  EXPECT_EQ(Headline("  + Exception Group Traceback (most recent call last):\n"
                     "  |   File \"x.py\", line 4, in <module>\n"
                     "  | ExceptionGroup: several (2 sub-exceptions)\n"
                     "  +-+---------------- 1 ----------------\n"
                     "    | Traceback (most recent call last):\n"
                     "    |   File \"x.py\", line 2, in <module>\n"
                     "    | ValueError: a\n"
                     "    +---------------- 2 ----------------\n"
                     "    | TypeError: b\n"
                     "    +------------------------------------\n"),
            "ExceptionGroup: several (2 sub-exceptions): ValueError: a");
}

TEST(Headline, IsFoundAfterACut) {
  EXPECT_EQ(Headline("Traceback (most recent call last):\n"
                     "  File \"x.py\", line 1, in f\n"
                     "[... 9000 bytes cut ...]\n"
                     "    f()\n"
                     "RecursionError: maximum recursion depth exceeded\n"),
            "RecursionError: maximum recursion depth exceeded");
}

TEST(Headline, OfOtherTextsIsTheFirstLine) {
  EXPECT_EQ(Headline("exited with code 1: no such file\nmore\n"),
            "exited with code 1: no such file");
  EXPECT_EQ(Headline("\n panic: boom\n\ngoroutine 1\n"), "panic: boom");
  EXPECT_EQ(Headline("Traceback (most recent call last):\n"), "Traceback (most recent call last):");
  EXPECT_EQ(Headline("  \n"), "");
}

TEST(Headline, IsPrintable) {
  EXPECT_EQ(Headline("Traceback (most recent call last):\n"
                     "  File \"x.py\", line 1, in f\n"
                     "ValueError: \x1b[2J\n"),
            "ValueError: ?[2J");
}

}  // namespace
}  // namespace bellis
