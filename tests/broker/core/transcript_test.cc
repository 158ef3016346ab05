// The stories in transcripts/: events in, effects out, as text (story_text.h). To change a story on
// purpose, rewrite it with BELLIS_UPDATE_TRANSCRIPTS=1 and read the diff.
//
//     # a remark
//     @250 worker1 acquire want=1        at 250 ms this peer sends this message
//     @250 worker1 gone                  messages to this peer cannot be routed any more
//     @9000                              time passes, with a Step at each deadline
//     @9000 goes-on                      the broker stood still until now
//     @9000 shutdown
//       worker1 <- work                  the effects of the event, indented
//       | blocks lease=1 index=0 ...

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "bellis/version.h"
#include "tests/broker/core/script.h"
#include "tests/broker/core/story_text.h"

namespace bellis::test {
namespace {

namespace fs = std::filesystem;

/// An effect as the story writes it, indented. The broker's version is left out.
std::vector<std::string> Indented(const std::string& effect) {
  constexpr std::string_view kArrow = " <- ";
  const size_t arrow = effect.find(kArrow);
  std::vector<std::string> lines;
  if (effect.starts_with("log ") || arrow == std::string::npos) {
    lines = WrapWords(effect);
  } else {
    const Json message = Json::parse(effect.substr(arrow + kArrow.size()));
    lines = FormatMessage(message);
    const nlohmann::json read = ParseMessage(lines);
    EXPECT_EQ(read, nlohmann::json(message));
    lines[0] = effect.substr(0, arrow) + std::string(kArrow) + lines[0];
  }
  for (std::string& line : lines) {
    constexpr std::string_view kThisVersion = "\"bellis " BELLIS_VERSION "\"";
    const size_t version = line.find(kThisVersion);
    if (version != std::string::npos) line.replace(version, kThisVersion.size(), "bellis/VERSION");
    line = "  " + line;
  }
  return lines;
}

/// Runs an event and returns its effects. `lines` describe the event; the first one has its time.
std::vector<std::string> Run(Script* script, std::vector<std::string> lines) {
  std::istringstream words(lines[0].substr(1));
  int64_t ms = 0;
  std::string peer;
  words >> ms >> peer;
  std::string rest;
  std::getline(words >> std::ws, rest);
  if (peer == "goes-on") {
    script->set_now_ms(ms);
    return script->PassTo(ms);
  }
  std::vector<std::string> effects = script->PassTo(ms);
  std::vector<std::string> more;
  if (peer == "shutdown") {
    more = script->Stop();
  } else if (rest == "gone") {
    more = script->Lose(peer);
  } else if (!peer.empty()) {
    lines[0] = rest;
    more = script->Say(peer, ParseMessage(lines).dump());
  }
  effects.insert(effects.end(), more.begin(), more.end());
  return effects;
}

std::string Perform(std::istream& story) {
  Script script;
  std::string transcript;
  std::vector<std::string> event;
  const auto perform = [&] {
    if (event.empty()) return;
    for (const std::string& line : event) transcript += line + "\n";
    for (const std::string& effect : Run(&script, std::exchange(event, {}))) {
      for (const std::string& line : Indented(effect)) transcript += line + "\n";
    }
  };
  for (std::string line; std::getline(story, line);) {
    if (line.starts_with("  ")) continue;  // effects of the last run
    if (line.starts_with("|") && !event.empty()) {
      event.push_back(line);
      continue;
    }
    perform();
    if (line.starts_with("@")) {
      event = {line};
    } else {
      transcript += line + "\n";
    }
  }
  perform();
  return transcript;
}

TEST(Transcripts, EveryStoryGoesAsWritten) {
  const fs::path folder = fs::path(BELLIS_SOURCE_DIR) / "tests/broker/core/transcripts";
  const bool update = std::getenv("BELLIS_UPDATE_TRANSCRIPTS") != nullptr;
  int stories = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream file(entry.path());
    std::stringstream written;
    written << file.rdbuf();
    std::istringstream story(written.str());
    const std::string performed = Perform(story);
    if (update) {
      std::ofstream(entry.path()) << performed;
    } else {
      EXPECT_EQ(performed, written.str());
      std::istringstream lines(written.str());
      for (std::string line; std::getline(lines, line);) EXPECT_LT(line.size(), 160U) << line;
    }
    ++stories;
  }
  EXPECT_GE(stories, 47);
}

}  // namespace
}  // namespace bellis::test
