#pragma once

// Where the processes of a worker note which lease each of its connections works on, and its
// launcher reads that when they have ended (PROTOCOL.md "What a worker works on").
//
//     0   "BELLISWP"
//     8   key             a random number, also in BELLIS_WORK_PAGE
//    16   worker, lease   of the first connection; worker 0: free
//    32   worker, lease   of the second, and so on
//
// The pages of a launcher lie in one anonymous file, so nothing of them is left behind, and a
// worker finds its page whatever descriptors it inherits. A process that cannot open it (on another
// machine, say, or as another user) notes nothing.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"

namespace bellis {

inline constexpr char kWorkPageVariable[] = "BELLIS_WORK_PAGE";

/// What one connection noted. No lease: it works on none.
struct WorkingOn {
  WorkerId worker;
  LeaseId lease;
  bool operator==(const WorkingOn&) const = default;
};

/// The launcher's side: a page for each process that it starts. Owns one descriptor, however many
/// there are. One thread.
class WorkPages {
 public:
  using Index = size_t;

  /// Where the kernel gives no such file, Take gives no page.
  WorkPages();
  WorkPages(const WorkPages&) = delete;
  WorkPages& operator=(const WorkPages&) = delete;
  ~WorkPages();

  /// A blank page, until it is given back; nullopt: there is none, and nothing is noted.
  std::optional<Index> Take();
  /// The value of BELLIS_WORK_PAGE for the process.
  std::string NameOf(Index page) const;
  /// What its connections noted last, without those that work on several leases at once or have
  /// closed.
  std::vector<WorkingOn> Read(Index page) const;
  /// The process and all that it had started are gone: another one may have the page.
  void GiveBack(Index page) { free_.push_back(page); }

 private:
  int fd_;                      // -1: none
  std::vector<uint64_t> keys_;  // by page
  std::vector<Index> free_;
};

/// The worker's side: the place of one connection, from Claim to its destruction. One thread, and
/// the process that made it.
class WorkNote {
 public:
  /// `name` is what BELLIS_WORK_PAGE says. nullopt where there is no such page, or no place in it.
  static std::optional<WorkNote> Claim(const std::string& name, WorkerId worker);
  WorkNote(WorkNote&& other) noexcept;
  WorkNote& operator=(WorkNote&& other) noexcept;
  ~WorkNote();

  /// The broker knows this connection by another number from now on.
  void Renumber(WorkerId worker);
  /// The connection works on that lease from now on, or on none. Cost: a store.
  void WorksOn(LeaseId lease);
  /// The connection works on several leases, of which any may be the last one.
  void WorksOnSeveral();

 private:
  WorkNote(void* page, size_t place);
  uint64_t& Word(size_t word) const;
  void* page_;
  size_t place_;
  int pid_;  // of the process whose place it is: not of its forked children
};

}  // namespace bellis
