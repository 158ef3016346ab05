#pragma once

// The file `acknowledged` (FORMAT.md): what was acknowledged, kept outside the database, so that a
// database that has lost something is noticed. It holds two slots of a fixed size that are written
// in turn; the greater number counts, so that what it says only grows.

#include <cstdint>
#include <string>

#include "bellis/result.h"
#include "broker/core/record.h"

namespace bellis {

class Acknowledged {
 public:
  struct Entry {
    std::string database;  // its random name; empty: nothing was acknowledged yet
    uint64_t commit = 0;
    Marks marks;
    bool synced = true;  // survives a power cut
    std::string boot;    // of the machine, when it was written
    bool operator==(const Entry&) const = default;
  };

  /// Opens or makes the file. Errors (kStorage): the disk; a file without a slot that is whole.
  static Result<Acknowledged> Open(const std::string& path);
  Acknowledged(Acknowledged&& other) noexcept;
  Acknowledged& operator=(Acknowledged&& other) noexcept;
  ~Acknowledged();

  /// The last entry; of a file that was just made, an empty one.
  const Entry& last() const { return last_; }
  /// Written, and with `synced` on the disk, when this returns. On failure `last` stays.
  Status Write(Entry entry);

 private:
  Acknowledged(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Error Trouble(const std::string& what) const;
  Status Read();
  Status SyncName();

  std::string path_;
  int fd_ = -1;
  bool is_new_ = false;
  Entry last_;
};

/// Changes with each start of the machine; empty where the kernel does not tell.
std::string BootName();

}  // namespace bellis
