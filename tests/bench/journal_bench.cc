// The store of progress, by itself: how large it is while blocks finish in random order, and how
// long it takes to resume a job from it (to read the store, and to build the schedule again).
//
//     journal_bench [BLOCKS [RESUMED]]     default: 10^8 and 10^9

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "broker/journal/journal.h"
#include "broker/schedule/frontier.h"
#include "tests/folder.h"

namespace {

using namespace bellis;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

JobSpec Spec(int64_t blocks) {
  JobSpec spec;
  spec.name = "bench";
  TaskSpec task;
  task.task_id = "t";
  const int64_t side = 1000;
  const int64_t rest = blocks / side / side;
  task.total_roi = Roi({0, 0, 0}, {10 * rest, 10 * side, 10 * side});
  task.read_roi = Roi({0, 0, 0}, {10, 10, 10});
  task.write_roi = task.read_roi;
  task.read_write_conflict = Conflict::kNone;
  task.external_workers = true;
  spec.tasks.push_back(task);
  return spec;
}

double Megabytes(const test::Folder& folder) {
  double bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder / "state")) {
    bytes += static_cast<double>(file.file_size());
  }
  return bytes / 1e6;
}

std::unique_ptr<Journal> Open(const test::Folder& folder, Saved* saved) {
  JournalOptions options;
  options.dir = folder / "state";
  options.durability = Durability::kOs;
  auto journal = Journal::Open(options, saved);
  if (!journal.ok()) {
    std::fprintf(stderr, "%s\n", journal.error().message.c_str());
    std::exit(1);
  }
  return std::move(*journal);
}

/// A scattered permutation of all blocks, without a list of them.
uint64_t Shuffled(uint64_t i, uint64_t blocks) { return i * 6'700'417 % blocks; }

class Writer {
 public:
  explicit Writer(Journal* journal) : journal_(journal) {}

  void Write(Record record) {
    batch_.push_back(std::move(record));
    if (batch_.size() == 8192) Flush();
  }
  void Flush() {
    appended_ += batch_.size();
    journal_->Append(std::exchange(batch_, {}));
    // Wait, as the scheduler does: it never has more than a million records wait for the disk.
    while (appended_ - journal_->Poll().committed > 500'000) usleep(1000);
  }

 private:
  Journal* journal_;
  std::vector<Record> batch_;
  uint64_t appended_ = 0;
};

void RandomOrder(uint64_t blocks) {
  const test::Folder folder;
  Saved saved;
  auto journal = Open(folder, &saved);
  const auto start = Clock::now();
  Writer writer(journal.get());
  writer.Write(JobBegun{JobNumber(1), "job", Spec(static_cast<int64_t>(blocks))});
  double largest = 0;
  for (uint64_t i = 0; i < blocks; ++i) {
    writer.Write(BlockDone{JobNumber(1), 0, Shuffled(i, blocks), false});
    if (i % 500'000 == 0) largest = std::max(largest, Megabytes(folder));
  }
  writer.Flush();
  if (!journal->Close().ok()) std::exit(1);
  const double seconds = SecondsSince(start);
  std::printf(
      "%11lu blocks in random order: at most %.1f MB, %.1f MB in the end; %.2f M blocks/s\n",
      static_cast<unsigned long>(blocks), largest, Megabytes(folder),
      static_cast<double>(blocks) / seconds / 1e6);
}

/// `done(block)`: whether the block is completed.
template <typename Done>
void Resume(const char* what, uint64_t blocks, Done done) {
  const test::Folder folder;
  Saved saved;
  const JobSpec spec = Spec(static_cast<int64_t>(blocks));
  {
    std::filesystem::create_directories(folder / "state");
    chmod((folder / "state").c_str(), 0700);
    auto journal = Open(folder, &saved);
    Writer writer(journal.get());
    writer.Write(JobBegun{JobNumber(1), "job", spec});
    for (uint64_t i = 0; i < blocks; ++i) {
      if (done(i)) writer.Write(BlockDone{JobNumber(1), 0, i, false});
    }
    writer.Flush();
    if (!journal->Close().ok()) std::exit(1);
  }
  const auto start = Clock::now();
  auto journal = Open(folder, &saved);
  const double opened = SecondsSince(start);
  auto progress = journal->Load(JobNumber(1));
  if (!progress.ok()) std::exit(1);
  const double loaded = SecondsSince(start);
  auto graph = DependencyGraph::Make(spec);
  auto frontier = Frontier::Resume(&*graph, {Order::kDeepest}, *progress);
  if (!frontier.ok()) std::exit(1);
  const double resumed = SecondsSince(start);
  std::printf(
      "%11lu blocks, %-22s store %.2f MB, %zu runs; open %.3f s, read %.3f s, schedule "
      "%.3f s: %.3f s\n",
      static_cast<unsigned long>(blocks), what, Megabytes(folder), progress->at(0).completed.size(),
      opened, loaded - opened, resumed - loaded, resumed);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t blocks = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000'000;
  const uint64_t resumed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000'000;
  RandomOrder(blocks);
  for (const uint64_t size : {resumed / 100, resumed / 10, resumed}) {
    Resume("99 % as four runs:", size, [size](uint64_t i) { return i % (size / 4) > size / 400; });
  }
  for (const uint64_t size : {resumed / 100, resumed / 10, resumed}) {
    Resume("1 % random holes:", size, [](uint64_t i) {
      const uint64_t mixed = (i + 1) * 0x9E3779B97F4A7C15;
      return (mixed ^ mixed >> 29) % 100 != 0;
    });
  }
  return 0;
}
