// Acquire + complete in the scheduler alone, one thread, no sockets: blocks a second of CPU time,
// the wait for the first block, memory, and the longest single call.
//
//     core_bench [million blocks to run per case, default 2] [only cases whose name has this in it]
//
// Each case runs in its own process, so that its peak memory is measured separately. "flat"
// compares the same task at 10^4 to 10^9 blocks. The fan cases show that huge fan-in and fan-out
// are done in bounded pieces. In the last lines, simulated workers run a task with skewed block
// times in virtual time, by levels and in exclusive mode.

#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/frontier.h"

namespace {

using namespace bellis;

constexpr size_t kLeased = 64;  // blocks leased at a time

/// CPU time of this thread, so that the load of the machine does not matter.
double Now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}
double Seconds(double since) { return Now() - since; }

TaskSpec Cube(const std::string& id, int rank, int64_t blocks, int64_t w, int64_t context,
              Conflict conflict) {
  TaskSpec task;
  task.task_id = id;
  const Coordinate lo = Coordinate::Filled(rank, -context);
  task.total_roi = Roi(lo, Coordinate::Filled(rank, blocks * w + 2 * context));
  task.read_roi = Roi(lo, Coordinate::Filled(rank, w + 2 * context));
  task.write_roi = Roi(Coordinate::Filled(rank, 0), Coordinate::Filled(rank, w));
  task.read_write_conflict = conflict;
  task.external_workers = true;
  return task;
}

JobSpec Chain(std::vector<TaskSpec> tasks) {
  JobSpec job;
  for (size_t t = 1; t < tasks.size(); ++t) tasks[t].upstream = {tasks[t - 1].task_id};
  job.tasks = std::move(tasks);
  return job;
}

/// A coarse mask in which one voxel in a thousand is true.
MaskSpec SparseMask(int64_t voxels, int64_t size) {
  MaskSpec mask;
  mask.offset = Coordinate::Filled(3, 0);
  mask.voxel_size = Coordinate::Filled(3, size);
  mask.shape = Coordinate::Filled(3, voxels);
  mask.bits.assign(MaskBytes(mask.shape), '\0');
  std::mt19937_64 random(1);
  const auto count = static_cast<uint64_t>(voxels * voxels * voxels);
  for (uint64_t i = 0; i < count / 1000; ++i) {
    const uint64_t v = random() % count;
    mask.bits[v / 8] = static_cast<char>(mask.bits[v / 8] | 1 << (7 - v % 8));
  }
  return mask;
}

/// The longest of many calls.
struct Longest {
  double ms = 0;
  template <typename Fn>
  auto Time(Fn fn) {
    struct Note {
      Longest* longest;
      double start;
      ~Note() { longest->ms = std::max(longest->ms, Seconds(start) * 1e3); }
    } note{this, Now()};
    return fn();
  }
};

void Header() {
  std::printf("%-40s %10s %9s %9s %11s %8s %8s %9s\n", "scheduler alone, one thread", "grid", "run",
              "first", "blocks/s", "state", "peak RSS", "longest");
}

/// Which of the leased blocks completes next.
enum class Next { kOldest, kRandom };

/// Runs up to `blocks` blocks with 64 leased at a time.
void RunJob(const char* name, const JobSpec& job, uint64_t blocks, Next next) {
  const auto start = Now();
  auto graph = DependencyGraph::Make(job);
  if (!graph.ok()) {
    std::printf("%-40s %s\n", name, graph.error().message.c_str());
    return;
  }
  std::vector<Order> orders;
  for (const TaskSpec& task : job.tasks) orders.push_back(task.order);
  auto frontier = Frontier::Make(&*graph, orders);
  uint64_t total = 0;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) total += frontier->counts(t).blocks;
  std::deque<BlockRef> held;
  std::mt19937_64 luck(2);
  uint64_t done = 0;
  double first_ms = 0;
  Longest longest;
  const auto run_start = Now();
  while (done < blocks) {
    for (auto t = static_cast<TaskIndex>(job.tasks.size()); t-- > 0;) {
      while (held.size() < kLeased) {
        const auto block = frontier->Pop(t);
        if (!block) break;
        frontier->Lease({t, *block});
        held.push_back({t, *block});
        if (first_ms == 0) first_ms = Seconds(start) * 1e3;
      }
    }
    if (held.empty()) {
      if (!frontier->has_work()) break;
      longest.Time([&] { return frontier->Work(Frontier::kInlineWork); });
      continue;
    }
    if (next == Next::kRandom) std::swap(held.front(), held[luck() % held.size()]);
    // Every 64th call is timed: the clock costs as much as the call.
    if (done % 64 == 0) {
      longest.Time([&] { frontier->Complete(held.front()); });
    } else {
      frontier->Complete(held.front());
    }
    held.pop_front();
    frontier->ClearTouched();
    if (frontier->has_work()) longest.Time([&] { return frontier->Work(Frontier::kInlineWork); });
    ++done;
  }
  const double seconds = Seconds(run_start);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%-40s %10.2e %9.2e %6.2f ms %11.0f %5.1f MB %5.0f MB %6.2f ms\n", name,
              static_cast<double>(total), static_cast<double>(done), first_ms,
              static_cast<double>(done) / seconds, static_cast<double>(frontier->bytes()) / 1e6,
              static_cast<double>(usage.ru_maxrss) / 1e3, longest.ms);
}

/// How a block ends.
enum class Ends { kFailed, kCompleted };

/// One upstream block ends, on which all blocks of the downstream task depend. Runs at most
/// `blocks` of those.
void FanOut(const char* name, Ends ends, uint64_t blocks) {
  // The upstream task has one block, which covers the whole volume.
  TaskSpec up = Cube("up", 3, 1, 4650, 0, Conflict::kNone);
  TaskSpec down = Cube("down", 3, 465, 10, 0, Conflict::kNone);
  const JobSpec job = Chain({up, down});
  auto graph = DependencyGraph::Make(job);
  auto frontier = Frontier::Make(&*graph, {Order::kDeepest, Order::kDeepest});
  const BlockIndex block = *frontier->Pop(0);
  frontier->Lease({0, block});
  const bool fail = ends == Ends::kFailed;
  Longest longest;
  const auto start = Now();
  longest.Time([&] { fail ? frontier->Fail({0, block}) : frontier->Complete({0, block}); });
  uint64_t steps = 1;
  uint64_t done = 0;
  while (done < blocks && !frontier->Done(1)) {
    longest.Time([&] { return frontier->Work(Frontier::kInlineWork); });
    ++steps;
    for (size_t i = 0; i < kLeased && !fail; ++i) {
      const auto next = frontier->Pop(1);
      if (!next) break;
      frontier->Lease({1, *next});
      frontier->Complete({1, *next});
      ++done;
    }
  }
  const double seconds = Seconds(start);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto fan = static_cast<double>(frontier->counts(1).blocks);
  const double over = fail ? fan : static_cast<double>(done);
  std::printf("%-40s %10.2e %9.2e %9s %11.0f %5.1f MB %5.0f MB %6.2f ms (%llu calls)\n", name, fan,
              over, "", over / seconds, static_cast<double>(frontier->bytes()) / 1e6,
              static_cast<double>(usage.ru_maxrss) / 1e3, longest.ms,
              static_cast<unsigned long long>(steps));
}

/// When a task of 24^3 blocks with log-normal block times ends, in virtual time, in units of the
/// mean block time.
double Makespan(Conflict conflict, int64_t context, double sigma, size_t workers) {
  const JobSpec job = Chain({Cube("a", 3, 24, 10, context, conflict)});
  auto graph = DependencyGraph::Make(job);
  auto frontier = Frontier::Make(&*graph, {Order::kDeepest});
  std::mt19937_64 random(3);
  std::vector<double> cost(frontier->counts(0).blocks);
  std::lognormal_distribution<double> skewed(-sigma * sigma / 2, sigma);
  for (double& c : cost) c = skewed(random);
  using End = std::pair<double, BlockIndex>;
  std::priority_queue<End, std::vector<End>, std::greater<>> running;
  double now = 0;
  while (!frontier->Done(0)) {
    while (running.size() < workers) {
      const auto block = frontier->Pop(0);
      if (!block) break;
      frontier->Lease({0, *block});
      running.push({now + cost[*block], *block});
    }
    now = running.top().first;
    frontier->Complete({0, running.top().second});
    running.pop();
  }
  return now;
}

/// Simulated workers that run a task by levels, beside the same in exclusive mode.
void PrintMakespans() {
  std::printf("\nend of 13,824 blocks (3-D) with skewed times, in mean block times (virtual)\n");
  std::printf("%8s %8s %8s %10s %10s %8s\n", "levels", "workers", "sigma", "levels", "exclusive",
              "sooner");
  for (const int64_t context : {2, 12}) {
    for (const size_t workers : {128, 512}) {
      for (const double sigma : {0.5, 1.0}) {
        const double levels = Makespan(Conflict::kOrdered, context, sigma, workers);
        const double exclusive = Makespan(Conflict::kExclusive, context, sigma, workers);
        std::printf("%8d %8zu %8.1f %10.1f %10.1f %7.2fx\n", context == 2 ? 8 : 27, workers, sigma,
                    levels, exclusive, levels / exclusive);
      }
    }
  }
}

/// The cases. Each runs in its own process.
class Cases {
 public:
  /// Runs up to `blocks` blocks of each case whose name contains `only`, or of every case if `only`
  /// is nullptr.
  Cases(uint64_t blocks, const char* only) : blocks_(blocks), only_(only) {}

  void OneTask() const {
    Run("1-D, no conflict", {Cube("a", 1, 1'000'000'000, 10, 2, Conflict::kNone)});
    const std::vector<TaskSpec> free = {Cube("a", 3, 1000, 10, 2, Conflict::kNone)};
    Run("3-D, no conflict", free);
    Run("3-D, no conflict, random order", free, Next::kRandom);
    const std::vector<TaskSpec> ordered = {Cube("a", 3, 1000, 10, 2, Conflict::kOrdered)};
    Run("3-D, conflict, 8 levels", ordered);
    Run("3-D, conflict, random order", ordered, Next::kRandom);
    Run("3-D, exclusive", {Cube("a", 3, 1000, 10, 2, Conflict::kExclusive)});
    Run("4-D, conflict, 16 levels", {Cube("a", 4, 178, 10, 2, Conflict::kOrdered)});
  }

  void ChainedTasks() const {
    const TaskSpec small_blocks = Cube("a", 3, 1000, 10, 0, Conflict::kNone);
    Run("2 chained, 27 upstream blocks each",
        {small_blocks, Cube("b", 3, 1000, 10, 2, Conflict::kNone)});
    Run("2 chained, downstream 10x as large",
        {small_blocks, Cube("b", 3, 100, 100, 0, Conflict::kNone)});
    Run("2 chained, downstream 10x as small",
        {Cube("a", 3, 100, 100, 0, Conflict::kNone), Cube("b", 3, 1000, 10, 0, Conflict::kNone)});
    std::vector<TaskSpec> ten;
    for (int t = 0; t < 10; ++t) {
      const Conflict conflict = t % 2 == 0 ? Conflict::kNone : Conflict::kOrdered;
      ten.push_back(Cube("t" + std::to_string(t), 3, 464, 10, 2, conflict));
    }
    Run("10 chained, every other with conflict", ten);
  }

  void MaskedTasks() const {
    TaskSpec masked = Cube("a", 3, 1000, 10, 2, Conflict::kOrdered);
    masked.mask = SparseMask(100, 100);
    Run("3-D, conflict, 0.1 % in a 100^3 mask", {masked});
    masked.mask = SparseMask(400, 25);
    Run("3-D, conflict, 0.1 % in a 400^3 mask", {masked});
  }

  void Fans() const {
    TaskSpec whole = Cube("b", 3, 10, 1000, 9000, Conflict::kNone);
    whole.total_roi = Roi(Coordinate::Filled(3, -9000), Coordinate::Filled(3, 28'000));
    Run("fan-in: each of 1,000 reads all of 10^9",
        {Cube("a", 3, 1000, 10, 0, Conflict::kNone), whole});
    InChild("fan-out: 10^8 orphaned by one failure",
            [&](const char* name) { FanOut(name, Ends::kFailed, blocks_); });
    InChild("fan-out: 10^8 ready by one completion",
            [&](const char* name) { FanOut(name, Ends::kCompleted, blocks_); });
  }

  void GridSizes() const {
    std::printf("\nflat: 3-D, conflict, by the size of the grid\n");
    for (const int64_t side : {22, 100, 464, 1000}) {
      Run("flat, " + std::to_string(side) + "^3 blocks",
          {Cube("a", 3, side, 10, 2, Conflict::kOrdered)});
    }
  }

 private:
  /// A case: these tasks in a chain.
  void Run(const std::string& name, std::vector<TaskSpec> tasks, Next next = Next::kOldest) const {
    InChild(name, [&](const char* n) { RunJob(n, Chain(std::move(tasks)), blocks_, next); });
  }

  void InChild(const std::string& name, const std::function<void(const char*)>& run) const {
    if (only_ != nullptr && name.find(only_) == std::string::npos) return;
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      run(name.c_str());
      std::fflush(stdout);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) std::printf("%-40s ended with status %d\n", name.c_str(), status);
  }

  uint64_t blocks_;
  const char* only_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto blocks = static_cast<uint64_t>((argc > 1 ? std::atof(argv[1]) : 2.0) * 1e6);
  const Cases cases(blocks, argc > 2 ? argv[2] : nullptr);
  Header();
  cases.OneTask();
  cases.ChainedTasks();
  cases.MaskedTasks();
  cases.Fans();
  cases.GridSizes();
  PrintMakespans();
}
