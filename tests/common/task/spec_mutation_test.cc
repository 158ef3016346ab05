// Damaged pipelines: whatever the bytes, the result is an error or a job that obeys the rules.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "common/task/pipeline.h"
#include "common/task/spec_reader.h"
#include "tests/common/task/sample_job.h"

namespace bellis {
namespace {

using nlohmann::json;

class Damage {
 public:
  explicit Damage(uint64_t seed) : random_(seed) {}

  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

  std::string Text(std::string text) {
    static const std::vector<std::string> kPieces = {"[",
                                                     "]",
                                                     "{",
                                                     "}",
                                                     "=",
                                                     ".",
                                                     "\"",
                                                     "'",
                                                     "\"\"\"",
                                                     "'''",
                                                     "\n",
                                                     "#",
                                                     "-",
                                                     "0",
                                                     "1e999",
                                                     "nan",
                                                     "true",
                                                     "inf",
                                                     "0x7fffffffffffffff",
                                                     "[[",
                                                     "]]",
                                                     "\\u0000",
                                                     "\xff",
                                                     "tasks",
                                                     "2020-01-01",
                                                     "9223372036854775807",
                                                     "-9223372036854775808",
                                                     ",",
                                                     "1_0",
                                                     "\\",
                                                     "\r",
                                                     "\t"};
    for (size_t edits = 1 + Below(4); edits > 0 && !text.empty(); --edits) {
      const size_t at = Below(text.size());
      const size_t length = 1 + Below(12);
      switch (Below(4)) {
        case 0: text.insert(at, kPieces[Below(kPieces.size())]); break;
        case 1: text.erase(at, length); break;
        case 2: text[at] = static_cast<char>(Below(256)); break;
        default: text.insert(at, text.substr(Below(text.size()), length * 8)); break;
      }
    }
    return text;
  }

  /// Replaces a random node of `tree` by another value.
  void Tree(json& tree) {
    json* node = &tree;
    while (node->is_structured() && !node->empty() && Below(6) > 0) {
      auto child = node->begin();
      std::advance(child, static_cast<std::ptrdiff_t>(Below(node->size())));
      node = &*child;
    }
    static const std::vector<json> kValues = {nullptr,
                                              true,
                                              0,
                                              -1,
                                              1.5,
                                              INT64_MAX,
                                              INT64_MIN,
                                              UINT64_MAX,
                                              "",
                                              "x",
                                              std::string(3, '\0'),
                                              "\xff",
                                              json::array(),
                                              json::object(),
                                              json::array({1, 2}),
                                              json::binary({0})};
    *node = kValues[Below(kValues.size())];
  }

 private:
  std::mt19937_64 random_;
};

void ExpectRulesKept(const Result<JobSpec>& job) {
  if (!job.ok()) {
    ASSERT_FALSE(job.error().message.empty());
    return;
  }
  ASSERT_TRUE(ValidateJob(*job).ok());
  const auto again = ReadJobSpec(json::parse(JobSpecToJson(*job).dump()));
  ASSERT_TRUE(again.ok()) << again.error().message;
  ASSERT_EQ(*again, *job);
}

TEST(DamagedPipelines, TomlGivesAnErrorOrAGoodJob) {
  Damage damage(21);
  int good = 0;
  for (int round = 0; round < 10'000; ++round) {
    const std::string text = damage.Text(kSampleToml);
    SCOPED_TRACE(text);
    const auto job = ReadPipelineToml(text, "damaged.toml");
    good += job.ok();
    ASSERT_NO_FATAL_FAILURE(ExpectRulesKept(job));
  }
  EXPECT_GT(good, 100);    // some damage is not fatal
  EXPECT_LT(good, 9'000);  // most damage is fatal
}

TEST(DamagedPipelines, TreesGiveAnErrorOrAGoodJob) {
  Damage damage(22);
  for (int round = 0; round < 10'000; ++round) {
    json tree = SampleTree();
    damage.Tree(tree);
    if (damage.Below(2) == 0) damage.Tree(tree);
    ASSERT_NO_FATAL_FAILURE(ExpectRulesKept(ReadJobSpec(tree)));
  }
}

}  // namespace
}  // namespace bellis
