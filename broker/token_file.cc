#include "broker/token_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace bellis {
namespace {

constexpr size_t kTokenBytesMax = 1024;

Error IoError(const std::string& what) {
  return Error{ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno))};
}

Result<std::string> CreateTokenFile(const std::string& path) {
  std::array<unsigned char, 32> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return IoError("no random numbers for a token");
  }
  std::string token;
  for (const unsigned char byte : random) token += fmt::format("{:02x}", byte);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return IoError("cannot make token file " + path);
  const std::string line = token + "\n";
  const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (close(fd) != 0 || !written) return IoError("cannot write token file " + path);
  return token;
}

}  // namespace

Result<std::string> ReadTokenFile(const std::string& path, bool create) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && create) return CreateTokenFile(path);
  if (fd < 0) return IoError("cannot read token file " + path);
  struct stat info {};
  std::array<char, kTokenBytesMax> bytes{};
  const bool looked = fstat(fd, &info) == 0;
  const ssize_t size = read(fd, bytes.data(), bytes.size());
  close(fd);
  if (!looked || size < 0) return IoError("cannot read token file " + path);
  if ((info.st_mode & 077) != 0) {
    return Error{
        ErrorCode::kUnauthorized,
        fmt::format("token file {} has mode {:04o}; it must be closed to others (chmod 600)", path,
                    info.st_mode & 07777)};
  }
  std::string token(bytes.data(), static_cast<size_t>(size));
  token = token.substr(0, token.find_first_of("\r\n"));
  if (token.empty()) return Error{ErrorCode::kUnauthorized, "token file " + path + " is empty"};
  return token;
}

}  // namespace bellis
