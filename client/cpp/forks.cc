#include "client/cpp/forks.h"

#include <pthread.h>

#include <atomic>

namespace bellis {
namespace {

std::atomic<uint64_t> generation = 1;

}  // namespace

uint64_t ForkGeneration() {
  [[maybe_unused]] static const int registered =
      pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1); });
  return generation.load(std::memory_order_relaxed);
}

}  // namespace bellis
