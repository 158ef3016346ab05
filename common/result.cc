#include "bellis/result.h"

#include <cstdio>
#include <cstdlib>

namespace bellis {

const char* ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBadMessage: return "bad_message";
    case ErrorCode::kUnknownKind: return "unknown_kind";
    case ErrorCode::kTooLarge: return "too_large";
    case ErrorCode::kVersion: return "version";
    case ErrorCode::kUnauthorized: return "unauthorized";
    case ErrorCode::kHelloFirst: return "hello_first";
    case ErrorCode::kWrongRole: return "wrong_role";
    case ErrorCode::kInvalidSpec: return "invalid_spec";
    case ErrorCode::kUnknownJob: return "unknown_job";
    case ErrorCode::kUnknownTask: return "unknown_task";
    case ErrorCode::kUnknownWorker: return "unknown_worker";
    case ErrorCode::kLimit: return "limit";
    case ErrorCode::kShuttingDown: return "shutting_down";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kTimeout: return "timeout";
    case ErrorCode::kStorage: return "storage";
    case ErrorCode::kDifferentLayout: return "different_layout";
    case ErrorCode::kDifferentPrograms: return "different_programs";
    case ErrorCode::kWorkerAlive: return "worker_alive";
  }
  return "unknown";
}

void ResultMisused(const char* words) {
  std::fprintf(stderr, "bellis: broken invariant: %s\n", words);
  std::abort();
}

}  // namespace bellis
