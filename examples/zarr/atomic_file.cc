#include "examples/zarr/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>
#include <system_error>

namespace bellis::examples {
namespace {

[[noreturn]] void ThrowErrno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  /// Closes the file now, since a network file system reports some errors only on close.
  void Close() {
    const int fd = fd_;
    fd_ = -1;
    if (close(fd) != 0) ThrowErrno("cannot be closed");
  }

 private:
  int fd_;
};

void WriteAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) ThrowErrno("cannot be written");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

// Random rather than the process id: workers on several machines may share the folder.
std::filesystem::path TemporaryBeside(const std::filesystem::path& file) {
  std::random_device random;
  return file.string() + "." + std::to_string(random()) + std::to_string(random()) + ".partial";
}

}  // namespace

std::optional<std::vector<std::byte>> ReadWholeFile(const std::filesystem::path& file) {
  const FileDescriptor input(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (input.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    ThrowErrno("cannot be opened");
  }
  struct stat status {};
  if (fstat(input.get(), &status) != 0) ThrowErrno("cannot be read");
  std::vector<std::byte> bytes(static_cast<size_t>(status.st_size));
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = read(input.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ThrowErrno("cannot be read");
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

void ReplaceFile(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  std::filesystem::create_directories(file.parent_path());
  const std::filesystem::path temporary = TemporaryBeside(file);
  FileDescriptor output(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (output.get() < 0) ThrowErrno("cannot be created");
  try {
    WriteAll(output.get(), bytes);
    output.Close();
    std::filesystem::rename(temporary, file);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

}  // namespace bellis::examples
