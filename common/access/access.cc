#include "common/access/access.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/files/private_file.h"

namespace bellis {
namespace {

constexpr size_t kFileBytesMax = 16 << 10;
constexpr size_t kKeyChars = 40;

using Field = std::pair<const char*, std::string*>;

std::array<Field, 7> FieldsOf(Access* access) {
  return {{{"endpoint", &access->endpoint},
           {"role", &access->role},
           {"job", &access->job},
           {"server_key", &access->keys.server_key},
           {"public_key", &access->keys.public_key},
           {"secret_key", &access->keys.secret_key},
           {"token", &access->token}}};
}

/// Checks that there are three keys or none, each of 40 characters of Z85. `named`: their names in
/// messages.
Status CheckKeys(const CurveKeys& keys, const std::array<const char*, 3>& named) {
  const std::array<const std::string*, 3> values = {&keys.server_key, &keys.public_key,
                                                    &keys.secret_key};
  size_t given = 0;
  for (const std::string* value : values) given += value->empty() ? 0 : 1;
  for (size_t i = 0; given > 0 && i < values.size(); ++i) {
    if (values[i]->size() == kKeyChars) continue;
    // The message does not show the value, which may be a secret.
    return Error{ErrorCode::kUnauthorized,
                 std::string(named[i]) + " has " + std::to_string(values[i]->size()) +
                     " characters; all three keys are expected, each of 40 (Z85)"};
  }
  return OkStatus();
}

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Error FileError(const std::string& path, const std::string& what) {
  return Error{ErrorCode::kUnauthorized, "access file " + path + " " + what};
}

}  // namespace

const char* AccessRoleName(AccessRole role) {
  switch (role) {
    case AccessRole::kOwner: return "owner";
    case AccessRole::kLauncher: return "launcher";
    case AccessRole::kWatcher: return "watcher";
    case AccessRole::kWorker: return "worker";
  }
  return "";
}

std::string AccessText(const Access& access) {
  Access copy = access;
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : FieldsOf(&copy)) {
    if (!value->empty()) json[name] = *value;
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<Access> AccessFromText(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Error{ErrorCode::kUnauthorized, "is not a JSON object"};
  Access access;
  for (const auto& [name, value] : FieldsOf(&access)) {
    const auto found = json.find(name);
    if (found == json.end()) continue;
    if (!found->is_string()) {
      return Error{ErrorCode::kUnauthorized,
                   std::string("has a ") + name + " that is not a string"};
    }
    *value = found->get<std::string>();
  }
  const Status keys = CheckKeys(access.keys, {"server_key", "public_key", "secret_key"});
  if (!keys.ok()) return Error{keys.error().code, "is wrong: " + keys.error().message};
  if (access.keys.empty() && access.token.empty()) {
    return Error{ErrorCode::kUnauthorized, "has neither keys nor a token"};
  }
  return access;
}

Result<Access> ReadAccessFile(const std::string& path) {
  const Result<std::string> text = ReadPrivateFile(path, kFileBytesMax);
  if (!text.ok()) return Error{text.error().code, "access file " + text.error().message};
  Result<Access> access = AccessFromText(*text);
  if (!access.ok()) return FileError(path, access.error().message);
  return access;
}

Status WriteAccessFile(const std::string& path, const Access& access) {
  const std::string fresh = path + "." + std::to_string(getpid()) + ".new";
  unlink(fresh.c_str());
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  const std::string text = AccessText(access);
  bool written =
      fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) written = close(fd) == 0 && written;
  if (written && rename(fresh.c_str(), path.c_str()) == 0) return OkStatus();
  const Error error{ErrorCode::kIo,
                    "cannot write access file " + path + ": " + std::strerror(errno)};
  if (fd >= 0) unlink(fresh.c_str());
  return error;
}

Result<Access> FindAccess(const std::string& path) {
  if (!path.empty()) return ReadAccessFile(path);
  Access access;
  access.keys = {Variable("BELLIS_SERVER_KEY"), Variable("BELLIS_PUBLIC_KEY"),
                 Variable("BELLIS_SECRET_KEY")};
  access.token = Variable("BELLIS_TOKEN");
  const Status keys =
      CheckKeys(access.keys, {"BELLIS_SERVER_KEY", "BELLIS_PUBLIC_KEY", "BELLIS_SECRET_KEY"});
  if (!keys.ok()) return keys.error();
  const std::string file = Variable("BELLIS_ACCESS");
  if (!access.keys.empty() || !access.token.empty() || file.empty()) return access;
  return ReadAccessFile(file);
}

Environment AccessVariables(const Access& access) {
  return {{"BELLIS_ACCESS", ""},
          {"BELLIS_SERVER_KEY", access.keys.server_key},
          {"BELLIS_PUBLIC_KEY", access.keys.public_key},
          {"BELLIS_SECRET_KEY", access.keys.secret_key},
          {"BELLIS_TOKEN", access.token}};
}

}  // namespace bellis
