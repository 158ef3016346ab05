#include "common/task/run_name.h"

#include <fmt/format.h>

#include <chrono>

namespace bellis {
namespace {

constexpr size_t kJobBytesMax = 100;

bool IsPlain(unsigned char c) {
  constexpr std::string_view kAlsoPlain = "-_.+=@";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 ||
         kAlsoPlain.find(static_cast<char>(c)) != std::string_view::npos;
}

}  // namespace

std::string RunName(uint32_t unix_seconds, std::string_view job, std::string_view tag) {
  if (unix_seconds == 0 || tag.empty()) return "";
  const std::chrono::sys_seconds at{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  std::string plain;
  for (const char c : job) plain += IsPlain(static_cast<unsigned char>(c)) ? c : '_';
  if (plain.size() > kJobBytesMax) {
    size_t end = kJobBytesMax;
    while (end > 0 && (static_cast<unsigned char>(plain[end]) & 0xC0) == 0x80) --end;
    plain.resize(end);
  }
  return fmt::format("{:04}-{:02}-{:02}T{:02}{:02}{:02}Z_{}_{}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count(), plain,
                     tag);
}

}  // namespace bellis
