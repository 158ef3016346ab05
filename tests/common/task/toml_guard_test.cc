#include "common/task/toml_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/task/spec_reader.h"
#include "tests/common/task/sample_job.h"

namespace bellis {
namespace {

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

/// The refusal as "line: words"; "" when the text is accepted.
std::string Refusal(std::string_view text) {
  const auto refusal = TomlGuard(text).Check();
  return refusal ? std::to_string(refusal->line) + ": " + refusal->words : "";
}

const std::string kTooDeep = ": nests deeper than 16 brackets or parts of a key";

TEST(TomlGuard, LetsPipelinesThrough) {
  EXPECT_EQ(Refusal(""), "");
  EXPECT_EQ(Refusal(kSampleToml), "");
}

TEST(TomlGuard, LetsAllKindsOfStringsThrough) {
  for (const char* good : {"a = \"é\"",
                           "a = 'é'",
                           "a = \"\"\"é\n\"é\" é\"\"\"",
                           "a = '''\né'é'''",
                           "# é \"",
                           "a = 1 # é",
                           "a = 1# é",
                           "\"é\" = 1",
                           "'é'.\"é\" = 1",
                           "a . \"é\" = 1",
                           "[ \"é\" ]",
                           "[a.'é']",
                           "[['é']]",
                           "a = [ \"é\" , 'é' ]",
                           "a = [\n\"é\",\n'é'\n]",
                           "a = {\"é\" = \"é\", b.'é' = 1}",
                           "a = [{'é' = 'é'}, {b.'é' = 1.5}]",
                           "a = \"\\\\é\"",
                           "a = \"\\\"é\"",
                           "a = '\\'\nb = 'é'",
                           "a = \"\"\"\\\"\"\"\"",
                           "a = \"\"\"é\"\"\"\"\"\nb = 1",
                           "a = \"\"\nb = 'é'",
                           "a = \"\"\"\"\"\"\nb = 'é'",
                           "a = ''''''\r\nb = 'é'",
                           "a = \"\"\"a \\\n   b é\"\"\"",
                           "a = 1979-05-27 07:32:00 # é",
                           "a = -1.5e+10\nb = 'é'"}) {
    EXPECT_EQ(Refusal(good), "") << good;
  }
}

TEST(TomlGuard, RefusesCharactersThatAreValidOnlyInStrings) {
  EXPECT_EQ(Refusal("a = 1\nb = “x”"), "2: has \"“\" outside of a string");
  EXPECT_EQ(Refusal("é = 1"), "1: has \"é\" outside of a string");
  EXPECT_EQ(Refusal("a = \"\"\"\n\n\"\"\" é"), "3: has \"é\" outside of a string");
  EXPECT_EQ(Refusal("a = '\\'é"), "1: has \"é\" outside of a string");
  EXPECT_EQ(Refusal("a = \"\"\"a \\\n   é\"\"\""), "2: has \"é\" right after a backslash");
}

TEST(TomlGuard, RefusesQuotesInTheMiddleOfWords) {
  const std::string refusal = "1: has a quote in the middle of a word";
  for (const char* bad : {"a = 2a\"é", "a = +\"é", "a = .\"é", "a = 1.\"é", "a = x=\"é", "a = =\"é",
                          "a = x[\"é", "a = [x{\"é", "a = \"b\"\"é\"", "a\"é\" = 1",
                          "a = [\"x\" 'é']", "[a 'é']", "a = {b = c=\"é"}) {
    EXPECT_EQ(Refusal(bad), refusal) << bad;
  }
}

TEST(TomlGuard, RefusesControlCharactersAndBytesThatAreNotUtf8) {
  EXPECT_EQ(Refusal(std::string_view("a\0", 2)), "1: has the control character \"\\x00\"");
  EXPECT_EQ(Refusal("\n# \x1b[31m"), "2: has the control character \"\\x1b\"");
  EXPECT_EQ(Refusal("a = '\x7f'"), "1: has the control character \"\\x7f\"");
  EXPECT_EQ(Refusal("a = '\xff'"), "1: has text that is not UTF-8");
  EXPECT_EQ(Refusal("a = 1\r\nb\t= 2\r\n"), "");
}

TEST(TomlGuard, CountsBracketsAndDots) {
  EXPECT_EQ(Refusal("a = " + Repeated("[", 16)), "");
  EXPECT_EQ(Refusal("\na = " + Repeated("[", 17)), "2" + kTooDeep);
  EXPECT_EQ(Refusal("a = " + Repeated("{a=", 17)), "1" + kTooDeep);
  EXPECT_EQ(Refusal("a = [" + Repeated("[],", 99) + "]"), "");
  EXPECT_EQ(Refusal(Repeated("a.", 16) + "a = 1"), "");
  EXPECT_EQ(Refusal("\n\n[" + Repeated("a.", 17) + "a]"), "3" + kTooDeep);
  EXPECT_EQ(Refusal(Repeated("a.a = 1\n", 99)), "");
  EXPECT_EQ(Refusal(Repeated("'='.\"=\".", 9) + "a = 1"), "1" + kTooDeep);
}

TEST(TomlGuard, DoesNotCountInStringsAndComments) {
  const std::string deep = Repeated("[.", 50);
  EXPECT_EQ(Refusal("# " + deep), "");
  EXPECT_EQ(Refusal("a = \"" + deep + "\""), "");
  EXPECT_EQ(Refusal("a = \"\\\"" + deep + "\""), "");
  EXPECT_EQ(Refusal("a = '" + deep + "\\'"), "");
  EXPECT_EQ(Refusal("a = \"\"\"\n" + deep + "\"\n\"" + deep + "\"\"\""), "");
  EXPECT_EQ(Refusal("a = '''\n" + deep + "\\'''"), "");
}

TEST(TomlGuard, CountsAgainAfterStringsAndComments) {
  const std::string deep = Repeated("[", 17);
  for (const char* before : {"# x", "a = \"#\"", "a = '\\'", "a = \"\\\\\"", "a = \"\"", "a = ''",
                             "a = \"\"\"#\"\"\"", "a = \"\"\"a\"\"\"\"", "a = \"\"\"a\"\"\"\"\"",
                             "a = \"\"\"\\\"\"\"\"", "a = '''a'''''", "a = \"\"\"\"\"\""}) {
    EXPECT_EQ(Refusal(std::string(before) + "\nb = " + deep), "2" + kTooDeep) << before;
  }
  EXPECT_EQ(Refusal("a = '''\n\n'''\nb = " + deep), "4" + kTooDeep);
}

TEST(TomlGuard, TakesTextThatEndsAnywhere) {
  const std::string text =
      "a = \"b\\\"\" # c\nd = \"\"\"\\e\"\"\"\"\"\nf = '''g''''\nh = 'i'\nj = "
      "\"\"\"k\\\n\"\"\"\n[.";
  for (size_t bytes = 0; bytes <= text.size(); ++bytes) {
    EXPECT_EQ(Refusal(std::string_view(text).substr(0, bytes)), "");
  }
}

TEST(TomlGuard, MakesDeepTextAnErrorAndNotACrash) {
  for (const std::string& text :
       {"[" + Repeated("a.", 400'000) + "a]", "a = " + Repeated("[", 500'000),
        "a = " + Repeated("{a=", 300'000), Repeated("a.", 400'000) + "a = 1",
        "a = " + Repeated("{a.a.a = [\n", 90'000), Repeated("'", 1'000'000),
        Repeated("\"", 1'000'001), Repeated("]", 1'000'000) + Repeated("[", 10'000)}) {
    EXPECT_FALSE(ReadPipelineToml(text, "deep.toml").ok());
  }
}

TEST(TomlGuard, RefusesTextThatIsTooDeepForTheParser) {
  // The deepest text that is read: each level of brackets is on its own line and has a key of many
  // parts, under a header of many parts.
  const std::string parts = Repeated("a.", 16) + "a";
  std::string text = "[" + parts + "]\n" + parts + " = ";
  for (int level = 0; level < 8; ++level) text += "[\n{" + parts + " = ";
  text += "1" + Repeated("}\n]", 8);
  ASSERT_EQ(Refusal(text), "");
  EXPECT_EQ(ReadPipelineToml(text, "deep.toml").error().message,
            "deep.toml:1: a is not a known field; known here: name, serial, cwd, log_dir, env, "
            "tasks");
}

/// Random text from TOML's alphabet. It would show a failed assertion in the parser, its undefined
/// behaviour at white space, or a stack overflow (all the more with -DTOML_HEADER_ONLY=1 and
/// sanitizers).
TEST(TomlGuard, KeepsTheParserAliveOnRandomText) {
  const std::vector<std::string> pieces = {
      "[", "]", "{", "}", "=", ".", ",", "\"", "'", "\\", "#",      "\n",  " ",       "\r",
      "a", "1", "-", "é", "“", "_", "+", "e",  ":", "T",  "\"\"\"", "'''", "\xC2\xA0"};
  uint32_t state = 1;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (int i = 0; i < 24; ++i) {
      state = state * 1'664'525 + 1'013'904'223;
      text += pieces[(state >> 16) % pieces.size()];
    }
    ASSERT_FALSE(ReadPipelineToml(text, "random.toml").ok()) << text;
  }
}

}  // namespace
}  // namespace bellis
