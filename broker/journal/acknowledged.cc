#include "broker/journal/acknowledged.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/files/private_dir.h"

namespace bellis {
namespace {

using Json = nlohmann::json;

constexpr size_t kSlotBytes = 4096;  // so that writing one slot never touches the other's sector
constexpr size_t kCheckChars = 8;

std::string Check(std::string_view text) {
  const auto* bytes = reinterpret_cast<const Bytef*>(text.data());
  return fmt::format("{:08x}", crc32_z(0, bytes, text.size()));
}

/// A slot is a line of text, so that people can read it: checksum, a space, JSON, a newline; then
/// zeros.
std::string SlotOf(const Acknowledged::Entry& entry) {
  const std::string text =
      Json{{"database", entry.database},   {"commit", entry.commit}, {"lease", entry.marks.lease},
           {"worker", entry.marks.worker}, {"synced", entry.synced}, {"boot", entry.boot}}
          .dump();
  std::string slot = Check(text) + " " + text + "\n";
  slot.resize(kSlotBytes);
  return slot;
}

std::optional<Acknowledged::Entry> EntryOf(std::string_view slot) {
  const size_t end = slot.find('\n');
  if (end == std::string_view::npos || end <= kCheckChars) return std::nullopt;
  const std::string_view text = slot.substr(kCheckChars + 1, end - kCheckChars - 1);
  if (slot.substr(0, kCheckChars) != Check(text)) return std::nullopt;
  try {
    const Json tree = Json::parse(text);
    Acknowledged::Entry entry;
    entry.database = tree.at("database").get<std::string>();
    entry.commit = tree.at("commit").get<uint64_t>();
    entry.marks = {tree.at("lease").get<uint64_t>(), tree.at("worker").get<uint64_t>()};
    entry.synced = tree.at("synced").get<bool>();
    entry.boot = tree.at("boot").get<std::string>();
    return entry;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

Result<Acknowledged> Acknowledged::Open(const std::string& path) {
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  int fd = open(path.c_str(), flags);
  if (fd < 0 && errno == ENOENT) fd = open(path.c_str(), flags | O_CREAT | O_EXCL, 0600);
  Acknowledged file(path, fd);
  if (fd < 0) return file.Trouble(std::strerror(errno));
  struct stat status {};
  if (fstat(fd, &status) != 0) return file.Trouble(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return file.Trouble("is not a regular file");
  file.is_new_ = status.st_size == 0;  // the broker that made it may have ended before it wrote
  Status ready = file.is_new_ ? file.Write({}) : file.Read();
  if (ready.ok() && file.is_new_) ready = file.SyncName();
  if (!ready.ok()) return ready.error();
  return file;
}

Acknowledged::Acknowledged(Acknowledged&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      is_new_(other.is_new_),
      last_(std::move(other.last_)) {}

Acknowledged& Acknowledged::operator=(Acknowledged&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(is_new_, other.is_new_);
  std::swap(last_, other.last_);
  return *this;
}

Acknowledged::~Acknowledged() {
  if (fd_ >= 0) close(fd_);
}

Error Acknowledged::Trouble(const std::string& what) const {
  return {ErrorCode::kStorage, fmt::format("{}: {}", ShownPath(path_), what)};
}

Status Acknowledged::Read() {
  std::array<char, 2 * kSlotBytes> bytes{};
  const ssize_t got = pread(fd_, bytes.data(), bytes.size(), 0);
  if (got < 0) return Trouble(std::strerror(errno));
  std::optional<Entry> last;
  for (const size_t at : {size_t{0}, kSlotBytes}) {
    auto entry = EntryOf({bytes.data() + at, kSlotBytes});
    if (entry && (!last || entry->commit > last->commit)) last = std::move(entry);
  }
  if (!last) {
    return Trouble("it is damaged: put back a copy of the directory, or start over in another one");
  }
  last_ = std::move(*last);
  return OkStatus();
}

Status Acknowledged::Write(Entry entry) {
  const std::string slot = SlotOf(entry);
  const auto at = static_cast<off_t>(entry.commit % 2 * kSlotBytes);
  errno = 0;
  if (pwrite(fd_, slot.data(), slot.size(), at) != static_cast<ssize_t>(slot.size())) {
    return Trouble(errno == 0 ? "it could not be written" : std::strerror(errno));
  }
  if (entry.synced && fdatasync(fd_) != 0) return Trouble(std::strerror(errno));
  last_ = std::move(entry);
  return OkStatus();
}

/// Makes the folder's entry survive a power cut, too.
Status Acknowledged::SyncName() {
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  const int fd = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  Status status = synced ? OkStatus() : Status(Trouble(std::strerror(errno)));
  if (fd >= 0) close(fd);
  return status;
}

std::string BootName() {
  std::string name;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> name;
  return name;
}

}  // namespace bellis
