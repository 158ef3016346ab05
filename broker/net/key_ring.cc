#include "broker/net/key_ring.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/files/private_file.h"

namespace bellis {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kSecretDigits = 2 * kSecretBytes;
constexpr size_t kCheckDigits = 16;  // they follow a space, and show damage

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string RandomSecret() {
  std::array<unsigned char, kSecretBytes> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  return {bytes.begin(), bytes.end()};
}

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

/// BLAKE2b, keyed with `secret`.
std::string KeyedHash(std::string_view secret, std::string_view text) {
  std::array<unsigned char, kSecretBytes> hash{};
  crypto_generichash(hash.data(), hash.size(), Bytes(text), text.size(), Bytes(secret),
                     secret.size());
  return {hash.begin(), hash.end()};
}

std::string Z85(std::string_view bytes) {
  std::array<char, 41> text{};
  zmq_z85_encode(text.data(), Bytes(bytes), bytes.size());
  return text.data();
}

std::string PublicOf(const std::string& secret_key) {
  std::array<char, 41> text{};
  zmq_curve_public(text.data(), secret_key.c_str());
  return text.data();
}

Error KeyFileError(const std::string& path, const std::string& what) {
  return Error{ErrorCode::kUnauthorized, "key file " + path + " " + what};
}

/// The line of the key file: the secret and its check digits.
std::string LineOf(const std::string& secret) {
  const std::string check = Hex(KeyedHash(secret, "check"));
  return Hex(secret) + " " + check.substr(0, kCheckDigits) + "\n";
}

Result<std::string> MakeKeyFile(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  const std::string secret = RandomSecret();
  const std::string line = LineOf(secret);
  bool written =
      fd >= 0 && write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (fd >= 0) written = fsync(fd) == 0 && written;
  if (fd >= 0) written = close(fd) == 0 && written;
  if (written) return secret;
  return Error{ErrorCode::kIo, "cannot make key file " + path + ": " + std::strerror(errno)};
}

Result<std::string> ReadKeyFile(const std::string& path) {
  const Result<std::string> line = ReadPrivateFile(path, kSecretDigits + kCheckDigits + 2);
  if (!line.ok() && line.error().code == ErrorCode::kNotFound) return MakeKeyFile(path);
  if (!line.ok()) return Error{line.error().code, "key file " + line.error().message};
  std::string secret(kSecretBytes, '\0');
  size_t made = 0;
  const bool whole = line->size() >= kSecretDigits &&
                     sodium_hex2bin(reinterpret_cast<unsigned char*>(secret.data()), secret.size(),
                                    line->data(), kSecretDigits, nullptr, &made, nullptr) == 0 &&
                     made == kSecretBytes && *line == LineOf(secret);
  if (!whole) {
    return KeyFileError(path,
                        "is damaged: bring it back, or remove it: then new keys are made, and the "
                        "old ones are of no use");
  }
  return secret;
}

}  // namespace

Result<KeyRing> KeyRing::Open(const std::string& path, bool jobs_last) {
  if (sodium_init() < 0) return Error{ErrorCode::kIo, "libsodium cannot be started"};
  Result<std::string> secret = path.empty() ? RandomSecret() : ReadKeyFile(path);
  if (!secret.ok()) return secret.error();
  return KeyRing(*secret, jobs_last ? "" : RandomSecret());
}

KeyRing::KeyRing(std::string secret, std::string jobs_salt)
    : secret_(std::move(secret)),
      jobs_salt_(std::move(jobs_salt)),
      server_secret_(Z85(Derive("server"))) {
  server_public_ = PublicOf(server_secret_);
  for (const AccessRole role : {AccessRole::kOwner, AccessRole::kLauncher, AccessRole::kWatcher}) {
    Add(AccessOf(role), std::make_shared<Grant>(Grant{role, "", false}));
  }
}

std::string KeyRing::Derive(std::string_view purpose) const { return KeyedHash(secret_, purpose); }

Access KeyRing::AccessOf(AccessRole role, const std::string& job) const {
  Access access;
  access.role = AccessRoleName(role);
  access.job = job;
  const std::string holder =
      role == AccessRole::kWorker ? "worker " + jobs_salt_ + job : access.role;
  access.keys.server_key = server_public_;
  access.keys.secret_key = Z85(Derive("key of " + holder));
  access.keys.public_key = PublicOf(access.keys.secret_key);
  access.token = Hex(Derive("token of " + holder));
  return access;
}

void KeyRing::Add(const Access& access, std::shared_ptr<Grant> grant) {
  by_token_[Derive("hash of " + access.token)] = grant;
  by_key_[access.keys.public_key] = std::move(grant);
}

void KeyRing::AddJob(const std::string& job) {
  Add(AccessOf(AccessRole::kWorker, job),
      std::make_shared<Grant>(Grant{AccessRole::kWorker, job, false}));
}

void KeyRing::EndJob(const std::string& job) {
  const Access access = AccessOf(AccessRole::kWorker, job);
  const auto found = by_key_.find(access.keys.public_key);
  if (found == by_key_.end()) return;
  found->second->revoked = true;
  by_key_.erase(found);
  by_token_.erase(Derive("hash of " + access.token));
}

KeyRing::GrantRef KeyRing::FindKey(std::string_view public_key) const {
  const auto found = by_key_.find(std::string(public_key));
  return found == by_key_.end() ? nullptr : found->second;
}

KeyRing::GrantRef KeyRing::FindToken(std::string_view token) const {
  const auto found = by_token_.find(Derive("hash of " + std::string(token)));
  return found == by_token_.end() ? nullptr : found->second;
}

}  // namespace bellis
