// The form in which stories write messages.

#include "tests/broker/core/story_text.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace bellis::test {
namespace {

TEST(StoryText, ReadsResultsAndRois) {
  EXPECT_EQ(ParseMessage({"release 1:completed 2:returned want=3"}).dump(),
            R"(["release",{"results":[{"lease":1,"status":"completed"},)"
            R"({"lease":2,"status":"returned"}],"want":3}])");
  EXPECT_EQ(
      ParseMessage({"submit req=1", "| job: name=j", "|   tasks task_id=t read_roi=0,-5+10,20",
                    "|     workers command=[\"a b\", \"c\"]", "|   tasks task_id=u"})
          .dump(),
      R"(["submit",{"req":1,"job":{"name":"j","tasks":[{"task_id":"t","read_roi":)"
      R"({"offset":[0,-5],"shape":[10,20]},"workers":[{"command":["a b","c"]}]},)"
      R"({"task_id":"u"}]}}])");
}

TEST(StoryText, WritesWhatItReads) {
  const Json message = Json::parse(
      R"(["work",{"blocks":[{"lease":1,"read":[[0],[10]],"write":[[2],[6]]}],"note":"it's = \"x\"",)"
      R"("no":null,"yes":true,"number":-1.5,"word":"true","empty":"","list":[]}])");
  const std::vector<std::string> lines = FormatMessage(message);
  EXPECT_EQ(lines.back(), "| blocks lease=1 read=0+10 write=2+6");
  EXPECT_EQ(nlohmann::json(ParseMessage(lines)), nlohmann::json(message));
}

TEST(StoryText, BreaksLongLines) {
  Json fields = Json::object();
  for (int i = 0; i < 40; ++i) fields["field" + std::to_string(i)] = i;
  std::string text;
  for (int i = 0; i < 50; ++i) text += "word \"" + std::to_string(i) + "\", ";
  fields["text"] = text;
  fields["texts"] = {text, "short", text};
  const Json message = Json::array({"status", {{"jobs", Json::array({fields})}}});
  const std::vector<std::string> lines = FormatMessage(message);
  EXPECT_GT(lines.size(), 3U);
  for (const std::string& line : lines) EXPECT_LE(line.size(), 120U);
  EXPECT_EQ(nlohmann::json(ParseMessage(lines)), nlohmann::json(message));
}

TEST(StoryText, QuotesWhatItCannotRead) {
  EXPECT_THROW(ParseMessage({"acquire want"}), std::runtime_error);
  EXPECT_THROW(ParseMessage({"acquire want=1", "|   blocks lease=1"}), std::runtime_error);
}

}  // namespace
}  // namespace bellis::test
