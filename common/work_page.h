#pragma once

// Work pages: the processes of a worker note here which lease each of their connections works on.
// The launcher reads the notes when the processes have ended (WORKERS.md "What a worker works
// on").
//
//     0   "BELLISWP"
//     8   key             a random number, also in BELLIS_WORK_PAGE
//    16   worker, lease   of the first connection; worker 0: free
//    32   worker, lease   of the second, and so on
//
// The pages of a launcher are in one anonymous file, so no file is left behind, and a worker finds
// its page whatever descriptors it inherits. A process that cannot open the file (on another
// machine, say, or as another user) notes nothing.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"

namespace bellis {

inline constexpr char kWorkPageVariable[] = "BELLIS_WORK_PAGE";

/// The note of one connection. No lease: it works on none.
struct WorkingOn {
  WorkerId worker;
  LeaseId lease;
  bool operator==(const WorkingOn&) const = default;
};

/// The launcher's side: one page for each process that it starts. Owns one descriptor for all
/// pages. One thread.
class WorkPages {
 public:
  using Index = size_t;

  /// If the kernel cannot make an anonymous file, Take returns no page.
  WorkPages();
  WorkPages(const WorkPages&) = delete;
  WorkPages& operator=(const WorkPages&) = delete;
  ~WorkPages();

  /// Takes a blank page, until GiveBack; nullopt: there is none, so nothing is noted.
  std::optional<Index> Take();
  /// The value of BELLIS_WORK_PAGE for the process.
  std::string NameOf(Index page) const;
  /// The last notes of the process's connections, except those that work on several leases at once
  /// or have closed.
  std::vector<WorkingOn> Read(Index page) const;
  /// The process and all processes that it had started are gone: another process may get the page.
  void GiveBack(Index page) { free_.push_back(page); }

 private:
  int fd_;                      // -1: none
  std::vector<uint64_t> keys_;  // by page
  std::vector<Index> free_;
};

/// The worker's side: the place of one connection in the page, from Claim to destruction. Used by
/// one thread, in the process that made it.
class WorkNote {
 public:
  /// `name` is the value of BELLIS_WORK_PAGE. nullopt if the page does not exist, or has no free
  /// place.
  static std::optional<WorkNote> Claim(const std::string& name, WorkerId worker);
  WorkNote(WorkNote&& other) noexcept;
  WorkNote& operator=(WorkNote&& other) noexcept;
  ~WorkNote();

  /// The broker has given this connection another number.
  void Renumber(WorkerId worker);
  /// The connection works on that lease from now on, or on none. Cost: one store to memory.
  void WorksOn(LeaseId lease);
  /// The connection works on several leases at once.
  void WorksOnSeveral();

 private:
  WorkNote(void* page, size_t place);
  uint64_t& Word(size_t word) const;
  void* page_;
  size_t place_;
  int pid_;  // the process that owns the place; its forked children do not
};

}  // namespace bellis
