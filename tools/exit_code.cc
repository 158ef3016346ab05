#include "tools/exit_code.h"

#include <cstdio>

#include "common/text/printable.h"

namespace bellis {

int ExitCodeFor(const Error& error) {
  switch (error.code) {
    case ErrorCode::kTooLarge:
    case ErrorCode::kInvalidSpec:
    case ErrorCode::kUnknownJob:
    case ErrorCode::kUnknownTask:
    case ErrorCode::kUnknownWorker:
    case ErrorCode::kNotFound:
    case ErrorCode::kDifferentLayout:
    case ErrorCode::kWorkerAlive:
    case ErrorCode::kLimit: return kExitBadInput;
    case ErrorCode::kDifferentPrograms: return kExitChanged;
    case ErrorCode::kBadMessage:
    case ErrorCode::kUnknownKind:
    case ErrorCode::kVersion:
    case ErrorCode::kUnauthorized:
    case ErrorCode::kHelloFirst:
    case ErrorCode::kWrongRole:
    case ErrorCode::kShuttingDown:
    case ErrorCode::kIo:
    case ErrorCode::kTimeout:
    case ErrorCode::kStorage: return kExitSystem;
  }
  return kExitSystem;
}

int ExitCodeForProgram(const Error& error) {
  return error.code == ErrorCode::kNotFound ? kExitNotFound : kExitNotExecutable;
}

int ExitCodeFor(const JobStatus& status) {
  return status.state == JobState::kCompleted ? kExitOk : kExitBlocksFailed;
}

int Complain(const Error& error) {
  std::fprintf(stderr, "bellis: %s\n", Printable(error.message).c_str());
  return ExitCodeFor(error);
}

}  // namespace bellis
