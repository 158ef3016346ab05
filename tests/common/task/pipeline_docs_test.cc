// docs/PIPELINE.md agrees with the reader: its example can be read, and its errors can be provoked.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "common/task/spec_reader.h"
#include "tests/common/task/sample_job.h"

namespace bellis {
namespace {

std::string Page() {
  std::ifstream file(BELLIS_SOURCE_DIR "/docs/PIPELINE.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The text between "```kind" and "```".
std::string Fenced(const std::string& kind) {
  const std::string page = Page();
  const std::string open = "```" + kind + "\n";
  const size_t begin = page.find(open);
  if (begin == std::string::npos) return "";
  return page.substr(begin + open.size(), page.find("```\n", begin + 1) - begin - open.size());
}

TEST(PipelineDocs, ExampleIsAGoodPipeline) {
  const auto job = ReadPipelineToml(Fenced("toml"), "pipeline.toml");
  ASSERT_TRUE(job.ok()) << job.error().message;
  ASSERT_EQ(job->tasks.size(), 2u);
  EXPECT_EQ(job->tasks[0].num_workers(), 6u);
  EXPECT_EQ(job->tasks[1].upstream, std::vector<std::string>{"smooth"});
}

TEST(PipelineDocs, ErrorsReadAsShown) {
  const std::string example = Fenced("toml");
  std::string shown;
  for (const auto& [from, to] :
       {std::pair("\"shrink\"", "\"shirnk\""),
        std::pair("conflict = false", "conflict = \"always\""), std::pair("timeout", "time_out"),
        std::pair("count = 4", "count = 0"), std::pair("[\"smooth\"]", "[\"smoth\"]")}) {
    ASSERT_NE(example.find(from), std::string::npos) << from;
    const auto job = ReadPipelineToml(Replaced(example, from, to), "pipeline.toml");
    ASSERT_FALSE(job.ok()) << to;
    shown += job.error().message + "\n";
  }
  EXPECT_EQ(Fenced("text"), shown);
}

TEST(PipelineDocs, HaveARowForEveryField) {
  const std::string page = Page();
  const auto known = [](const nlohmann::json& tree) {
    const std::string message = ReadJobSpec(tree).error().message;
    const std::string marker = "known here: ";
    const size_t list = message.find(marker);
    EXPECT_NE(list, std::string::npos) << message;
    return message.substr(list + marker.size()) + ", ";
  };
  const nlohmann::json stranger = {{"xyzzy", 1}};
  std::string fields = known(stranger);
  fields += known({{"tasks", {stranger}}});
  nlohmann::json worker = SampleTree();
  worker["tasks"][0]["workers"] = {stranger};
  fields += known(worker);
  int rows = 0;
  for (size_t at = 0; at < fields.size(); ++rows) {
    const size_t end = fields.find(", ", at);
    const std::string row = "\n| " + fields.substr(at, end - at) + " |";
    EXPECT_NE(page.find(row), std::string::npos) << row;
    at = end + 2;
  }
  EXPECT_EQ(rows, 6 + 25 + 3);
}

}  // namespace
}  // namespace bellis
