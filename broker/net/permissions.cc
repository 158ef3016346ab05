#include "broker/net/permissions.h"

#include <variant>

namespace bellis {
namespace {

template <typename... Kinds>
bool IsOneOf(const Message& message) {
  return (std::holds_alternative<Kinds>(message) || ...);
}

Error Refused(const std::string& who, const std::string& what) {
  return Error{ErrorCode::kUnauthorized, "the key of " + who + " does not permit " + what};
}

std::string What(const Message& message) {
  if (const auto* hello = std::get_if<HelloMsg>(&message)) {
    return std::string("a hello as ") + RoleName(hello->role);
  }
  return std::string("\"") + KindName(message) + "\"";
}

/// A worker's key permits a hello as a worker of its job, and the messages of that worker. It also
/// permits asking why a worker of its job is idle, because a program that starts workers must know
/// whether one has connected.
Status MayWorkerSay(const Grant& grant, const Message& message, const std::string& job_of_worker) {
  const std::string who = "the workers of job " + grant.job;
  if (const auto* hello = std::get_if<HelloMsg>(&message)) {
    if (grant.revoked) return Error{ErrorCode::kUnauthorized, "the key of " + who + " has ended"};
    if (hello->role == Role::kClient) return OkStatus();
    if (hello->role != Role::kWorker && hello->role != Role::kPulse) {
      return Refused(who, What(message));
    }
    if (!hello->job.empty() && hello->job != grant.job) {
      return Refused(who, "a hello for job " + hello->job);
    }
    if (hello->worker.set() && !job_of_worker.empty() && job_of_worker != grant.job) {
      return Refused(who, "a hello as worker " + std::to_string(hello->worker.value));
    }
    return OkStatus();
  }
  if (const auto* explain = std::get_if<ExplainMsg>(&message)) {
    const bool its_own = explain->worker.set() && job_of_worker == grant.job;
    return its_own ? OkStatus() : Status(Refused(who, What(message)));
  }
  if (IsOneOf<AcquireMsg, ReleaseMsg, PingMsg, ByeMsg>(message)) return OkStatus();
  return Refused(who, What(message));
}

}  // namespace

Status MaySay(const Grant& grant, const Message& message, const std::string& job_of_worker) {
  const auto* hello = std::get_if<HelloMsg>(&message);
  switch (grant.role) {
    case AccessRole::kOwner: return OkStatus();
    case AccessRole::kWorker: return MayWorkerSay(grant, message, job_of_worker);
    case AccessRole::kLauncher:
      if (hello != nullptr ? hello->role == Role::kLauncher
                           : IsOneOf<LaunchedMsg, ExitedMsg, PingMsg, ByeMsg>(message)) {
        return OkStatus();
      }
      return Refused("launchers", What(message));
    case AccessRole::kWatcher:
      if (hello != nullptr ? hello->role == Role::kClient
                           : IsOneOf<StatusMsg, WatchMsg, ExplainMsg, PingMsg, ByeMsg>(message)) {
        return OkStatus();
      }
      return Refused("watchers", What(message));
  }
  return Refused("nobody", What(message));
}

bool IsTooLate(const Grant& grant, const Message& message) {
  return grant.revoked && !IsOneOf<HelloMsg, ByeMsg>(message);
}

}  // namespace bellis
