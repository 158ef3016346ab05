#include "broker/spare_memory.h"

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <new>

namespace bellis {
namespace {

// Enough for a message's text and the stacks of some threads.
constexpr size_t kSpareBytes = 32 << 20;

std::atomic<bool> kept = false;
std::atomic<void*> spare = nullptr;

/// The handler of operator new, which tries again when this returns. Called from any thread.
void GiveBackOrThrow() {
  void* given = spare.exchange(nullptr);
  if (given == nullptr) throw std::bad_alloc();
  munmap(given, kSpareBytes);
}

}  // namespace

void KeepSpareMemory() {
  kept = true;
  RefillSpareMemory();
  std::set_new_handler(GiveBackOrThrow);
}

void RefillSpareMemory() {
  if (spare != nullptr || !kept) return;
  // The reserve is never touched: it takes address space, but no pages.
  void* pages = mmap(nullptr, kSpareBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return;
  void* none = nullptr;
  if (!spare.compare_exchange_strong(none, pages)) munmap(pages, kSpareBytes);
}

}  // namespace bellis
