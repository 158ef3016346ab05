#include "common/work_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <random>
#include <utility>

namespace bellis {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kWords = kPageBytes / sizeof(uint64_t);
constexpr size_t kFirstPlace = 2;  // in words
constexpr char kMagic[] = "BELLISWP";
constexpr char kFileName[] = "bellis-work";
constexpr uint64_t kSeveral = UINT64_MAX;

using Page = std::array<uint64_t, kWords>;

uint64_t Magic() {
  uint64_t word = 0;
  std::memcpy(&word, kMagic, sizeof(word));
  return word;
}

uint64_t NewKey() {
  std::random_device source;
  return uint64_t{source()} << 32 | source();
}

/// The distance of two pages in the file. Each page must be mapped alone.
size_t Stride() { return std::max(kPageBytes, static_cast<size_t>(::sysconf(_SC_PAGESIZE))); }

/// Whether the path leads to work pages, and not to another file, which it might be harmful to
/// open.
bool NamesPages(const std::string& path) {
  std::array<char, 64> target{};
  if (::readlink(path.c_str(), target.data(), target.size() - 1) <= 0) return false;
  const std::string expected = std::string("/memfd:") + kFileName;
  return std::string(target.data()).rfind(expected, 0) == 0;
}

/// A page's name, written PATH:OFFSET:KEY.
struct Name {
  std::string path;
  uint64_t offset = 0;
  uint64_t key = 0;
};

std::optional<Name> ParseName(const std::string& text) {
  Name name;
  size_t end = text.size();
  for (uint64_t* number : {&name.key, &name.offset}) {
    const size_t colon = end == 0 ? std::string::npos : text.rfind(':', end - 1);
    if (colon == std::string::npos) return std::nullopt;
    const char* stop = text.data() + end;
    const auto [at, error] = std::from_chars(text.data() + colon + 1, stop, *number);
    if (error != std::errc() || at != stop) return std::nullopt;
    end = colon;
  }
  if (name.offset % Stride() != 0 || name.offset > INT64_MAX - kPageBytes) return std::nullopt;
  name.path = text.substr(0, end);
  return name;
}

/// While a page is locked, nobody else takes a place in it. The lock belongs to the open file and
/// not to the process, since each thread of the process may have a connection.
bool SetLock(int fd, int16_t type, uint64_t offset) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = kPageBytes;
  return ::fcntl(fd, F_OFD_SETLKW, &lock) == 0;
}

}  // namespace

WorkPages::WorkPages() : fd_(::memfd_create(kFileName, MFD_CLOEXEC)) {}

WorkPages::~WorkPages() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<WorkPages::Index> WorkPages::Take() {
  if (fd_ < 0) return std::nullopt;
  if (free_.empty()) {
    if (::ftruncate(fd_, static_cast<off_t>((keys_.size() + 1) * Stride())) != 0) {
      return std::nullopt;
    }
    free_.push_back(keys_.size());
    keys_.push_back(0);
  }
  const Index index = free_.back();
  Page page{};
  page[0] = Magic();
  page[1] = NewKey();
  const auto offset = static_cast<off_t>(index * Stride());
  if (::pwrite(fd_, page.data(), kPageBytes, offset) != static_cast<ssize_t>(kPageBytes)) {
    return std::nullopt;
  }
  keys_[index] = page[1];
  free_.pop_back();
  return index;
}

std::string WorkPages::NameOf(Index page) const {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_) + ":" +
         std::to_string(page * Stride()) + ":" + std::to_string(keys_.at(page));
}

std::vector<WorkingOn> WorkPages::Read(Index index) const {
  Page page{};
  std::vector<WorkingOn> noted;
  const auto offset = static_cast<off_t>(index * Stride());
  if (::pread(fd_, page.data(), kPageBytes, offset) != static_cast<ssize_t>(kPageBytes)) {
    return noted;
  }
  for (size_t word = kFirstPlace; word + 1 < kWords; word += 2) {
    const uint64_t worker = page.at(word);
    const uint64_t lease = page.at(word + 1);
    if (worker == 0 || worker > INT64_MAX || lease > INT64_MAX) continue;  // or several
    noted.push_back({WorkerId(worker), LeaseId(lease)});
  }
  return noted;
}

std::optional<WorkNote> WorkNote::Claim(const std::string& text, WorkerId worker) {
  const std::optional<Name> name = ParseName(text);
  if (!name || !worker.set() || !NamesPages(name->path)) return std::nullopt;
  const int fd = ::open(name->path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return std::nullopt;
  struct stat status {};
  void* memory = MAP_FAILED;
  const auto offset = static_cast<off_t>(name->offset);
  if (::fstat(fd, &status) == 0 && status.st_size >= offset + static_cast<off_t>(kPageBytes) &&
      SetLock(fd, F_WRLCK, name->offset)) {
    memory = ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
  }
  std::optional<WorkNote> note;
  if (memory != MAP_FAILED) {
    auto& page = *static_cast<Page*>(memory);
    size_t place = kFirstPlace;
    while (place + 1 < kWords && std::atomic_ref(page.at(place)).load() != 0) place += 2;
    if (page[0] == Magic() && page[1] == name->key && place + 1 < kWords) {
      note.emplace(WorkNote(memory, place));
      note->Renumber(worker);
    } else {
      ::munmap(memory, kPageBytes);
    }
  }
  SetLock(fd, F_UNLCK, name->offset);  // the mapping would keep the lock
  ::close(fd);
  return note;
}

WorkNote::WorkNote(void* page, size_t place) : page_(page), place_(place), pid_(::getpid()) {}

WorkNote::WorkNote(WorkNote&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)), place_(other.place_), pid_(other.pid_) {}

WorkNote& WorkNote::operator=(WorkNote&& other) noexcept {
  std::swap(page_, other.page_);
  std::swap(place_, other.place_);
  std::swap(pid_, other.pid_);
  return *this;
}

WorkNote::~WorkNote() {
  if (page_ == nullptr) return;
  if (::getpid() == pid_) Renumber(WorkerId());
  ::munmap(page_, kPageBytes);
}

uint64_t& WorkNote::Word(size_t word) const { return static_cast<Page*>(page_)->at(word); }

void WorkNote::Renumber(WorkerId worker) {
  std::atomic_ref(Word(place_ + 1)).store(0);
  std::atomic_ref(Word(place_)).store(worker.value);
}

void WorkNote::WorksOn(LeaseId lease) { std::atomic_ref(Word(place_ + 1)).store(lease.value); }

void WorkNote::WorksOnSeveral() { std::atomic_ref(Word(place_ + 1)).store(kSeveral); }

}  // namespace bellis
