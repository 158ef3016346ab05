#pragma once

// The file `acknowledged` (FORMAT.md) says which commit was acknowledged last. It is kept outside
// the database, so that the broker notices when the database has lost something. The file holds two
// slots of a fixed size that are written in turn; the slot with the greater commit number is valid.

#include <cstdint>
#include <string>

#include "bellis/result.h"
#include "broker/core/record.h"

namespace bellis {

class Acknowledged {
 public:
  struct Entry {
    std::string database;  // random name of the database; empty: nothing was acknowledged
    uint64_t commit = 0;
    Marks marks;
    bool synced = true;  // survives a power cut
    std::string boot;    // BootName() when it was written
    bool operator==(const Entry&) const = default;
  };

  /// Opens or makes the file. Errors (kStorage): the disk; a file without an intact slot.
  static Result<Acknowledged> Open(const std::string& path);
  Acknowledged(Acknowledged&& other) noexcept;
  Acknowledged& operator=(Acknowledged&& other) noexcept;
  ~Acknowledged();

  /// The last entry; an empty one if the file was just made.
  const Entry& last() const { return last_; }
  /// Writes the entry, and with `synced` waits until it is on the disk. On failure last() is
  /// unchanged.
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

/// A name that changes with each start of the machine; empty where the kernel does not provide one.
std::string BootName();

}  // namespace bellis
