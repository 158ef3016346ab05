// A state directory as a killed broker leaves it, damaged at random: the next broker either refuses
// it, or has everything that was acknowledged.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <sstream>

#include "broker/journal/journal.h"
#include "tests/broker/journal/kept_jobs.h"
#include "tests/broker/journal/record_model.h"
#include "tests/folder.h"

namespace bellis::test {
namespace {

namespace fs = std::filesystem;

constexpr BlockIndex kBlocks = 4'000;

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

Session SomeSession(uint64_t worker) {
  Session session;
  session.worker = WorkerId(worker);
  session.key = 1000 + worker;
  session.job = JobNumber(1);
  session.language = "c++";
  session.process = {"host", "machine", 17};
  return session;
}

/// Batch `n` of a broker's records: all kinds of records, blocks in both tasks of two jobs.
std::vector<Record> Batch(uint64_t n) {
  std::vector<Record> batch{Marks{(n + 1) << 20, 1000 * (n + 1)}};
  if (n == 0) {
    for (const uint64_t job : {1, 2}) {
      batch.push_back(
          JobBegun{JobNumber(job), "job-" + std::to_string(job), Spec(2, int64_t{kBlocks})});
    }
  }
  batch.push_back(SessionBegun{SomeSession(n + 1)});
  for (BlockIndex i = 0; i < 30; ++i) {
    const BlockIndex block = (n * 30 + i) * 1'299'709 % kBlocks;
    batch.push_back(
        BlockDone{JobNumber(1 + i % 2), static_cast<TaskIndex>(i % 3 == 0), block, i % 7 == 0});
  }
  const FailureRecord failure{7, n, 1, WorkerId(n + 1), "it said no, number " + std::to_string(n)};
  batch.push_back(AttemptFailed{JobNumber(2), 1, failure, false});
  if (n == 5) batch.push_back(JobOver{JobNumber(2), JobState::kFailed, "why", {BlockCounts{1}}});
  if (n == 6) batch.push_back(SessionOver{WorkerId(3)});
  return batch;
}

/// Writes batches up to `end` in a child that is then killed, as a broker may be.
void WriteAndDie(const std::string& path, uint64_t begin, uint64_t end, bool compact) {
  const pid_t child = fork();
  if (child == 0) {
    auto store = Store::Open(path + "/progress.sqlite", Durability::kFull);
    if (!store.ok()) _exit(1);
    for (uint64_t n = begin; n < end; ++n) {
      if (!store->Write(Batch(n)).ok()) _exit(2);
    }
    if (compact && !store->Compact().ok()) _exit(3);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
}

/// Expects that all written records are there, and no others.
void ExpectAll(Journal* journal, const Saved& saved, uint64_t batches) {
  RecordModel model;
  for (uint64_t n = 0; n < batches; ++n) {
    for (const Record& record : Batch(n)) model.Take(record);
  }
  EXPECT_EQ(saved, model.saved());
  for (const auto& [number, job] : model.jobs()) {
    const auto progress = journal->Load(number);
    ASSERT_TRUE(progress.ok()) << progress.error().message;
    EXPECT_EQ(*progress, model.progress(number));
  }
}

/// Damages some bytes of one file, as a bad disk or a careless user would.
std::string DamageOne(const std::string& state, const std::string& older, std::mt19937_64* random) {
  const auto pick = [random](uint64_t below) { return (*random)() % below; };
  const std::vector<std::string> names{"progress.sqlite", "progress.sqlite-wal",
                                       "progress.sqlite-wal", "acknowledged"};
  const std::string name = names[pick(names.size())];
  const std::string path = state + "/" + name;
  std::string bytes = ReadAll(path);
  std::string what = name + ": ";
  switch (const uint64_t kind = pick(12)) {
    case 0: fs::remove(path); return what + "removed";
    case 1: bytes.clear(); break;
    case 2: bytes.resize(pick(bytes.size() + 1)); break;
    case 3: bytes = ReadAll(older + "/" + name); break;
    default: {
      const size_t at = pick(std::max<size_t>(bytes.size(), 1));
      const size_t count = kind < 8 ? 1 : 1 + pick(64);
      for (size_t i = at; i < std::min(bytes.size(), at + count); ++i) {
        bytes[i] = static_cast<char>(bytes[i] ^ (1 + pick(255)));
      }
      what += "bytes at " + std::to_string(at);
    }
  }
  WriteAll(path, bytes);
  return what;
}

TEST(Damage, IsRefusedOrHarmless) {
  const Folder folder;
  const std::string older = folder / "older";
  const std::vector<std::string> masters{folder / "log", folder / "both"};
  fs::create_directory(masters[0]);
  WriteAndDie(masters[0], 0, 4, /*compact=*/false);
  fs::copy(masters[0], older);
  fs::copy(masters[0], masters[1]);
  WriteAndDie(masters[0], 4, 8, /*compact=*/false);
  WriteAndDie(masters[1], 4, 6, /*compact=*/true);
  WriteAndDie(masters[1], 6, 8, /*compact=*/false);
  int refused = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    const std::string state = folder / "state";
    fs::remove_all(state);
    fs::copy(masters[seed % 2], state);
    fs::permissions(state, fs::perms::owner_all);
    const std::string what = seed < 2 ? "nothing" : DamageOne(state, older, &random);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + what);
    JournalOptions options;
    options.dir = state;
    Saved saved;
    auto journal = Journal::Open(options, &saved);
    if (seed < 2) {
      ASSERT_TRUE(journal.ok()) << journal.error().message;
    }
    if (journal.ok()) {
      ExpectAll(journal->get(), saved, 8);
    } else {
      ++refused;
      EXPECT_EQ(journal.error().code, ErrorCode::kStorage);
    }
  }
  EXPECT_GT(refused, 80) << "the damages rarely hit bytes that matter";
}

/// A running journal with one block committed, and the result of its next commit.
class RunningJournal {
 public:
  RunningJournal() {
    options_.dir = folder_ / "state";
    options_.group = Duration::Millis(1);
    Saved saved;
    auto opened = Journal::Open(options_, &saved);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    journal_ = std::move(*opened);
    journal_->Append({JobBegun{JobNumber(1), "job", Spec(1)}});
    EXPECT_EQ(Progress(), 0u);
    Done(0);
    EXPECT_EQ(Progress(), 1u);
  }

  void Done(BlockIndex block) { journal_->Append({BlockDone{JobNumber(1), 0, block}}); }
  uint64_t Progress() {
    const auto progress = journal_->Load(JobNumber(1));
    EXPECT_TRUE(progress.ok()) << progress.error().message;
    return progress.ok() && !progress->at(0).completed.empty() ? progress->at(0).completed[0].end
                                                               : 0;
  }
  /// The error that refuses the next commit.
  std::string Trouble() {
    Done(1);
    while (journal_->Poll().committed < 3 && journal_->Poll().trouble.empty()) usleep(1000);
    return journal_->Poll().trouble;
  }
  std::string Path(const std::string& name) const { return options_.dir + "/" + name; }

 private:
  Folder folder_;
  JournalOptions options_;
  std::unique_ptr<Journal> journal_;
};

TEST(Damage, OfAFileInUseIsNoticedBeforeTheNextAcknowledgement) {
  for (const std::string name :
       {"progress.sqlite", "progress.sqlite-wal", "acknowledged", "lock"}) {
    SCOPED_TRACE(name);
    {
      RunningJournal running;
      fs::remove(running.Path(name));
      EXPECT_NE(running.Trouble().find(name + " was removed"), std::string::npos);
    }
    {
      RunningJournal running;
      fs::copy(running.Path(name), running.Path("other"));
      fs::rename(running.Path("other"), running.Path(name));
      EXPECT_NE(running.Trouble().find(name + " was replaced"), std::string::npos);
    }
    {
      RunningJournal running;
      fs::resize_file(running.Path(name), 0);
      EXPECT_NE(running.Trouble().find(name + " was cut"), std::string::npos);
    }
  }
}

TEST(Damage, OfADirectoryThatWasMovedIsNoticed) {
  RunningJournal running;
  const std::string state = fs::path(running.Path("lock")).parent_path();
  fs::rename(state, state + ".away");
  EXPECT_NE(running.Trouble().find(state + " was removed"), std::string::npos);
  fs::rename(state + ".away", state);
  EXPECT_EQ(running.Progress(), 2u);
}

TEST(Damage, IsRepairedWhenTheFileIsBack) {
  RunningJournal running;
  const std::string path = running.Path("progress.sqlite");
  fs::rename(path, path + ".away");
  EXPECT_NE(running.Trouble().find("was removed"), std::string::npos);
  fs::rename(path + ".away", path);
  EXPECT_EQ(running.Progress(), 2u);
}

}  // namespace
}  // namespace bellis::test
