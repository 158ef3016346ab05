// The journal as a thread and as files: a record that was reported as committed is there after the
// process was killed, and a full disk delays records but loses none.

#include "broker/journal/journal.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "tests/broker/journal/kept_jobs.h"
#include "tests/folder.h"

namespace bellis::test {
namespace {

using namespace std::chrono_literals;

JournalOptions In(const Folder& folder) {
  JournalOptions options;
  options.dir = folder / "state";
  options.group = Duration::Millis(1);
  return options;
}

std::unique_ptr<Journal> Opened(const Folder& folder) {
  Saved saved;
  auto journal = Journal::Open(In(folder), &saved);
  EXPECT_TRUE(journal.ok()) << journal.error().message;
  return journal.ok() ? std::move(*journal) : nullptr;
}

template <typename Condition>
bool Eventually(Condition condition) {
  for (int tries = 0; tries < 3000; ++tries) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

uint64_t Completed(Journal* journal) {
  const auto progress = journal->Load(JobNumber(1));
  EXPECT_TRUE(progress.ok()) << progress.error().message;
  const auto& runs = progress->at(0).completed;
  if (runs.empty()) return 0;
  EXPECT_EQ(runs.size(), 1u) << "a record is there, and one before it is not";
  EXPECT_EQ(runs[0].begin, 0u);
  return runs[0].end;
}

TEST(Journal, KeepsAppendedRecordsWhenItIsClosed) {
  const Folder folder;
  {
    auto journal = Opened(folder);
    journal->Append({JobBegun{JobNumber(1), "job", Spec(1)}});
    for (BlockIndex b = 0; b < 1000; ++b) journal->Append({BlockDone{JobNumber(1), 0, b}});
    EXPECT_TRUE(journal->Close().ok());
  }
  auto journal = Opened(folder);
  EXPECT_EQ(Completed(journal.get()), 1000u);
  EXPECT_FALSE(std::filesystem::exists(folder / "state/progress.sqlite-wal") &&
               std::filesystem::file_size(folder / "state/progress.sqlite-wal") > 0);
}

/// Runs in a child: appends blocks in order and reports through the pipe how many are committed.
[[noreturn]] void WriteForEver(const Folder& folder, int told) {
  Saved saved;
  std::atomic<bool> news = false;
  JournalOptions options = In(folder);
  options.wake = [&news] { news = true; };
  auto journal = Journal::Open(options, &saved);
  if (!journal.ok()) _exit(1);
  (*journal)->Append({JobBegun{JobNumber(1), "job", Spec(1, int64_t{1} << 40)}});
  for (BlockIndex b = 0;; ++b) {
    (*journal)->Append({BlockDone{JobNumber(1), 0, b}});
    if (b % 512 == 0) std::this_thread::sleep_for(1ms);
    if (!news.exchange(false)) continue;
    const uint64_t committed = (*journal)->Poll().committed;
    if (write(told, &committed, sizeof(committed)) != sizeof(committed)) _exit(2);
  }
}

TEST(Journal, KeepsCommittedRecordsWhenItsProcessIsKilled) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 12; ++round) {
    const Folder folder;
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(pipe_ends[0]);
      WriteForEver(folder, pipe_ends[1]);
    }
    close(pipe_ends[1]);
    uint64_t committed = 0;
    for (uint64_t until = 1 + random() % 60; until > 0; --until) {
      ASSERT_EQ(read(pipe_ends[0], &committed, sizeof(committed)), sizeof(committed));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    while (read(pipe_ends[0], &committed, sizeof(committed)) == sizeof(committed)) {
    }
    close(pipe_ends[0]);
    auto journal = Opened(folder);
    ASSERT_NE(journal, nullptr);
    EXPECT_GE(Completed(journal.get()) + 1, committed);  // 1 for the record of the job's begin
  }
}

/// Files of this process may not grow beyond `bytes`: SQLite takes that for a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST(Journal, WaitsForSpaceOnAFullDiskAndLosesNothing) {
  const Folder folder;
  auto journal = Opened(folder);
  journal->Append({JobBegun{JobNumber(1), "job", Spec(1)}});
  ASSERT_TRUE(Eventually([&] { return journal->Poll().committed == 1; }));
  {
    const FullDisk full(4096);
    for (BlockIndex b = 0; b < 500; ++b) journal->Append({BlockDone{JobNumber(1), 0, b}});
    ASSERT_TRUE(Eventually([&] { return !journal->Poll().trouble.empty(); }));
    EXPECT_EQ(journal->Poll().committed, 1u);
    EXPECT_NE(journal->Poll().trouble.find("progress.sqlite"), std::string::npos)
        << journal->Poll().trouble;
  }
  ASSERT_TRUE(Eventually([&] { return journal->Poll().committed == 501; }));
  EXPECT_EQ(journal->Poll().trouble, "");
  EXPECT_EQ(Completed(journal.get()), 500u);
}

TEST(Journal, ClosedOnAFullDiskSaysHowManyRecordsAreLost) {
  const Folder folder;
  auto journal = Opened(folder);
  journal->Append({JobBegun{JobNumber(1), "job", Spec(1)}});
  ASSERT_TRUE(Eventually([&] { return journal->Poll().committed == 1; }));
  {
    const FullDisk full(4096);
    journal->Append({BlockDone{JobNumber(1), 0, 0}, BlockDone{JobNumber(1), 0, 1}});
    const Status closed = journal->Close();
    ASSERT_FALSE(closed.ok());
    EXPECT_NE(closed.error().message.find("2 records could not be written"), std::string::npos)
        << closed.error().message;
  }
  journal.reset();
  journal = Opened(folder);
  EXPECT_EQ(Completed(journal.get()), 0u);
}

TEST(Journal, IsForOneBroker) {
  const Folder folder;
  const auto journal = Opened(folder);
  Saved saved;
  const auto second = Journal::Open(In(folder), &saved);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("another broker has it"), std::string::npos);
}

TEST(Journal, StaysSmallWhileBlocksFinishInRandomOrder) {
  const Folder folder;
  auto journal = Opened(folder);
  const BlockIndex blocks = 2'000'000;
  journal->Append({JobBegun{JobNumber(1), "job", Spec(1, static_cast<int64_t>(blocks))}});
  // Every block once, in a scattered order.
  std::vector<Record> batch;
  for (BlockIndex i = 0; i < blocks; ++i) {
    batch.push_back(BlockDone{JobNumber(1), 0, i * 1'299'709 % blocks});
    if (batch.size() == 8192) journal->Append(std::exchange(batch, {}));
  }
  journal->Append(std::move(batch));
  EXPECT_EQ(Completed(journal.get()), blocks);
  ASSERT_TRUE(journal->Close().ok());
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder / "state")) {
    bytes += file.file_size();
  }
  EXPECT_LT(bytes, 8u << 20);
}

}  // namespace
}  // namespace bellis::test
