#include "broker/token_file.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/files/private_file.h"

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
  const Status made = WritePrivateFile(path, token + "\n");
  if (!made.ok()) return Error{made.error().code, "cannot make token file " + made.error().message};
  return token;
}

}  // namespace

Result<std::string> ReadTokenFile(const std::string& path, bool create) {
  Result<std::string> read = ReadPrivateFile(path, kTokenBytesMax);
  if (!read.ok() && read.error().code == ErrorCode::kNotFound && create) {
    return CreateTokenFile(path);
  }
  if (!read.ok()) return Error{read.error().code, "token file " + read.error().message};
  std::string token = std::move(*read);
  token = token.substr(0, token.find_first_of("\r\n"));
  if (token.empty()) return Error{ErrorCode::kUnauthorized, "token file " + path + " is empty"};
  return token;
}

}  // namespace bellis
