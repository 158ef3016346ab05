// The broker's own code allocates no memory for the messages of a block: neither to receive one,
// nor in the scheduler, nor to answer.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <thread>

#include "bellis/control.h"
#include "bellis/worker.h"
#include "broker/server.h"
#include "tests/folder.h"
#include "tools/bench/no_op_job.h"

namespace {

/// Counts the calls of operator new in the threads that have asked for it.
thread_local bool counted = false;
std::atomic<uint64_t> allocations = 0;

#ifndef __SANITIZE_THREAD__  // tests/tsan.supp knows libzmq's calls by operator new's own frames
void* Allocate(size_t bytes) {
  if (counted) allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
#endif

}  // namespace

#ifndef __SANITIZE_THREAD__
void* operator new(size_t bytes) { return Allocate(bytes); }
void* operator new[](size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace bellis {
namespace {

constexpr uint64_t kWarmUp = 20'000;
constexpr uint64_t kCounted = 10'000;

/// A task of so many blocks that do not conflict.
JobSpec NoOps(uint64_t blocks) {
  JobSpec job = bench::NoOpJob();
  job.tasks[0].total_roi = Roi({0, 0, 0}, {static_cast<int64_t>(blocks) * 10, 10, 10});
  return job;
}

/// Allocations per block of the broker's thread, while one worker does no-ops.
double AllocationsPerBlock(uint32_t prefetch, bool durable) {
  const test::Folder folder;
  ServerOptions options;
  options.endpoint = "ipc://" + (folder / "socket");
  if (durable) options.state_dir = folder / "state";
  options.sync = false;
  auto server = Server::Bind(options);
  EXPECT_TRUE(server.ok()) << server.error().message;
  std::thread broker([&] {
    counted = true;
    EXPECT_TRUE((*server)->Run().ok());
  });
  auto control = Control::Connect({(*server)->endpoint()});
  EXPECT_TRUE(control.ok() && control->Submit(NoOps(kWarmUp + kCounted + 1'000)).ok());
  WorkerOptions worker_options;
  worker_options.endpoint = (*server)->endpoint();
  worker_options.prefetch = prefetch;
  Worker worker(worker_options);
  uint64_t blocks = 0;
  uint64_t before = 0;
  uint64_t after = 0;
  worker.Run([&](const Block&) {
    ++blocks;
    if (blocks == kWarmUp) before = allocations;
    if (blocks == kWarmUp + kCounted) after = allocations;
  });
  (*server)->RequestStop();
  broker.join();
  return static_cast<double>(after - before) / kCounted;
}

TEST(SteadyState, NothingIsAllocatedForABlock) { EXPECT_EQ(AllocationsPerBlock(0, false), 0); }

TEST(SteadyState, NothingIsAllocatedForManyBlocksAtOnce) {
  EXPECT_EQ(AllocationsPerBlock(64, false), 0);
}

// The queues of what waits for the disk grow with the number of blocks done meanwhile, which
// depends on the disk.
TEST(SteadyState, NothingIsAllocatedForADurableBlockButForLongerQueues) {
  EXPECT_LT(AllocationsPerBlock(64, true), 0.9);
}

}  // namespace
}  // namespace bellis
