#include "client/c/error.h"

#include <string>
#include <utility>

#include "bellis/version.h"

namespace bellis::c {
namespace {

constexpr std::pair<ErrorCode, int> kCodes[] = {
    {ErrorCode::kBadMessage, BELLIS_E_BAD_MESSAGE},
    {ErrorCode::kUnknownKind, BELLIS_E_UNKNOWN_KIND},
    {ErrorCode::kTooLarge, BELLIS_E_TOO_LARGE},
    {ErrorCode::kVersion, BELLIS_E_VERSION},
    {ErrorCode::kUnauthorized, BELLIS_E_UNAUTHORIZED},
    {ErrorCode::kHelloFirst, BELLIS_E_HELLO_FIRST},
    {ErrorCode::kWrongRole, BELLIS_E_WRONG_ROLE},
    {ErrorCode::kInvalidSpec, BELLIS_E_INVALID_SPEC},
    {ErrorCode::kUnknownJob, BELLIS_E_UNKNOWN_JOB},
    {ErrorCode::kUnknownTask, BELLIS_E_UNKNOWN_TASK},
    {ErrorCode::kUnknownWorker, BELLIS_E_UNKNOWN_WORKER},
    {ErrorCode::kLimit, BELLIS_E_LIMIT},
    {ErrorCode::kShuttingDown, BELLIS_E_SHUTTING_DOWN},
    {ErrorCode::kNotFound, BELLIS_E_NOT_FOUND},
    {ErrorCode::kIo, BELLIS_E_IO},
    {ErrorCode::kTimeout, BELLIS_E_TIMEOUT},
    {ErrorCode::kStorage, BELLIS_E_STORAGE},
    {ErrorCode::kDifferentLayout, BELLIS_E_DIFFERENT_LAYOUT},
    {ErrorCode::kDifferentPrograms, BELLIS_E_DIFFERENT_PROGRAMS},
    {ErrorCode::kWorkerAlive, BELLIS_E_WORKER_ALIVE},
};

std::string& LastError() {
  thread_local std::string text;
  return text;
}

}  // namespace

int Fail(int code, std::string_view why) noexcept {
  try {
    LastError().assign(why);
  } catch (...) {
    LastError().clear();
  }
  return code;
}

int Fail(const Error& error) noexcept {
  for (const auto& [code, number] : kCodes) {
    if (code == error.code) return Fail(number, error.message);
  }
  return Fail(BELLIS_E_INTERNAL, error.message);
}

int FailNull(const char* what) noexcept {
  try {
    return Fail(BELLIS_E_ARGUMENT, std::string(what) + " is NULL");
  } catch (...) {
    return Fail(BELLIS_E_ARGUMENT, "an argument is NULL");
  }
}

}  // namespace bellis::c

const char* bellis_error() { return bellis::c::LastError().c_str(); }

const char* bellis_error_name(int code) {
  for (const auto& [error, number] : bellis::c::kCodes) {
    if (number == code) return bellis::ErrorCodeName(error);
  }
  switch (code) {
    case BELLIS_E_ARGUMENT: return "argument";
    case BELLIS_E_MEMORY: return "memory";
    case BELLIS_E_INTERNAL: return "internal";
    default: return "";
  }
}

const char* bellis_version() { return BELLIS_VERSION; }
