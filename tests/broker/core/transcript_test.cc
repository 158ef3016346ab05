// The stories in transcripts/: events in, effects out, as text. A story that changes on purpose is
// written anew with BELLIS_UPDATE_TRANSCRIPTS=1 and read in the diff.
//
//     # a remark
//     @250 worker1 ["acquire", {"want": 1}]     at 250 ms this peer says this
//     @250 worker1 gone                         nothing can be routed to it any more
//     @9000                                     time passes, deadlines are kept
//     @9000 goes-on                             the broker stood still until now
//     @9000 shutdown
//       worker1 <- ["work", ...]                what follows, indented

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> RunLine(Script* script, const std::string& line) {
  std::istringstream words(line.substr(1));
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
    more = script->Say(peer, rest);
  }
  effects.insert(effects.end(), more.begin(), more.end());
  return effects;
}

std::string Perform(std::istream& story) {
  Script script;
  std::string transcript;
  for (std::string line; std::getline(story, line);) {
    if (line.rfind("  ", 0) == 0) continue;  // effects of the last performance
    transcript += line + "\n";
    if (line.rfind('@', 0) != 0) continue;
    for (const std::string& effect : RunLine(&script, line)) transcript += "  " + effect + "\n";
  }
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
    }
    ++stories;
  }
  EXPECT_GE(stories, 8);
}

}  // namespace
}  // namespace bellis::test
