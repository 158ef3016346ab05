#include "client/cpp/environment.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace bellis {
namespace {

constexpr double kSecondsMax = 86'400;

}  // namespace

std::optional<std::string> EnvironmentValue(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

namespace {

Result<Duration> SecondsFromEnvironment(const char* name, Duration otherwise) {
  const auto text = EnvironmentValue(name);
  if (!text) return otherwise;
  char* end = nullptr;
  const double seconds = std::strtod(text->c_str(), &end);
  if (*end != '\0' || !(seconds > 0 && seconds <= kSecondsMax)) {
    return Error{ErrorCode::kInvalidSpec,
                 std::string(name) + " is '" + *text + "'; seconds, above 0, at most 86400"};
  }
  return Duration::Seconds(seconds);
}

}  // namespace

Result<Duration> ConnectTimeoutFromEnvironment(Duration otherwise) {
  return SecondsFromEnvironment("BELLIS_CONNECT_TIMEOUT", otherwise);
}

Result<Duration> LostTimeoutFromEnvironment(Duration otherwise) {
  return SecondsFromEnvironment("BELLIS_LOST_TIMEOUT", otherwise);
}

std::string SecondsText(Duration duration) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g s", duration.seconds());
  return text.data();
}

std::string UserName(uid_t uid) {
  std::array<char, 4096> text{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, text.data(), text.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return "uid " + std::to_string(uid);
}

}  // namespace bellis
