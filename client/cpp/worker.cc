#include "bellis/worker.h"

#include <cstdio>
#include <exception>

#include "client/cpp/environment.h"
#include "client/cpp/stocked_session.h"
#include "common/endpoint.h"
#include "common/work_page.h"

namespace bellis {
namespace {

Result<WorkerId> WorkerIdFromEnvironment() {
  const auto text = EnvironmentValue("BELLIS_WORKER_ID");
  if (!text) return WorkerId();
  constexpr size_t kDigitsMax = 18;  // fits an int64
  if (text->find_first_not_of("0123456789") != std::string::npos || text->size() > kDigitsMax) {
    return Error{ErrorCode::kInvalidSpec, "BELLIS_WORKER_ID is '" + *text + "'; a number"};
  }
  return WorkerId(std::stoull(*text));
}

Result<Duty> DutyFromEnvironment() {
  const std::string text = EnvironmentValue("BELLIS_DUTY").value_or("work");
  for (const Duty duty : kAllDuties) {
    if (text == DutyName(duty)) return duty;
  }
  return Error{ErrorCode::kInvalidSpec, "BELLIS_DUTY is '" + text + "'; work, check or post_check"};
}

Result<std::optional<uint32_t>> PrefetchFromEnvironment() {
  const std::string text = EnvironmentValue("BELLIS_PREFETCH").value_or("auto");
  if (text == "auto") return std::optional<uint32_t>();
  constexpr size_t kDigitsMax = 4;
  if (text.find_first_not_of("0123456789") != std::string::npos || text.size() > kDigitsMax ||
      std::stoul(text) >= kWantMax) {
    return Error{ErrorCode::kInvalidSpec, "BELLIS_PREFETCH is '" + text + "'; auto, or 0 to " +
                                              std::to_string(kWantMax - 1)};
  }
  return std::optional<uint32_t>(static_cast<uint32_t>(std::stoul(text)));
}

template <typename T>
T ValueOrThrow(Result<T> result) {
  if (!result.ok()) throw WorkerError(result.error());
  return std::move(result).value();
}

}  // namespace

Result<WorkerOptions> WorkerOptions::FromEnvironment() {
  WorkerOptions options;
  Result<Access> access = FindAccess("");
  if (!access.ok()) return access.error();
  options.token = access->token;
  options.keys = access->keys;
  const auto endpoint = EnvironmentValue("BELLIS_ENDPOINT");
  if (!endpoint && access->endpoint.empty()) {
    return Error{
        ErrorCode::kInvalidSpec,
        "BELLIS_ENDPOINT is not set: workers are started by a launcher, or by hand with "
        "BELLIS_ENDPOINT=ipc://PATH, or with BELLIS_ACCESS=FILE, the broker's access file"};
  }
  options.endpoint = endpoint.value_or(access->endpoint);
  if (const auto parsed =
          ParseEndpoint(options.endpoint, EndpointUse::kConnect,
                        endpoint ? "BELLIS_ENDPOINT" : "the access file's endpoint");
      !parsed.ok()) {
    return parsed.error();
  }
  options.job = EnvironmentValue("BELLIS_JOB").value_or("");
  options.task = EnvironmentValue("BELLIS_TASK").value_or("");
  Result<WorkerId> worker = WorkerIdFromEnvironment();
  if (!worker.ok()) return worker.error();
  options.worker = *worker;
  if (worker->set()) options.work_page = EnvironmentValue(kWorkPageVariable).value_or("");
  const Result<Duty> duty = DutyFromEnvironment();
  if (!duty.ok()) return duty.error();
  options.duty = *duty;
  if (const auto text = EnvironmentValue("BELLIS_HEARTBEAT_MS")) {
    if (text->find_first_not_of("0123456789") != std::string::npos || text->size() > 8) {
      return Error{ErrorCode::kInvalidSpec,
                   "BELLIS_HEARTBEAT_MS is '" + *text + "'; milliseconds, 0 for no heartbeats"};
    }
    options.heartbeat_ms = static_cast<uint32_t>(std::stoul(*text));
  }
  Result<std::optional<uint32_t>> prefetch = PrefetchFromEnvironment();
  if (!prefetch.ok()) return prefetch.error();
  options.prefetch = *prefetch;
  Result<Duration> lost = LostTimeoutFromEnvironment(options.lost_timeout);
  if (!lost.ok()) return lost.error();
  options.lost_timeout = *lost;
  Result<Duration> timeout = ConnectTimeoutFromEnvironment(options.connect_timeout);
  if (!timeout.ok()) return timeout.error();
  options.connect_timeout = *timeout;
  return options;
}

// ---- Block ----

Block::Block(const LeasedBlock& leased, std::shared_ptr<const std::string> task)
    : read_roi_(leased.read),
      write_roi_(leased.write),
      task_(std::move(task)),
      id_(leased.id),
      index_(leased.index),
      lease_(leased.lease),
      attempt_(leased.attempt) {}

// ---- BlockHandle ----

BlockHandle::BlockHandle(Block block, std::shared_ptr<StockedSession> session, uint64_t greeting)
    : Block(std::move(block)),
      session_(std::move(session)),
      greeting_(greeting),
      exceptions_(std::uncaught_exceptions()) {}

BlockHandle::BlockHandle(BlockHandle&& other) noexcept
    : Block(static_cast<Block&&>(other)),
      session_(std::move(other.session_)),
      greeting_(other.greeting_),
      exceptions_(std::uncaught_exceptions()),
      failure_(std::move(other.failure_)),
      returned_(other.returned_) {}

BlockHandle::~BlockHandle() {
  if (session_ == nullptr) return;
  if (!failure_ && std::uncaught_exceptions() > exceptions_) failure_ = "ended by an exception";
  HandBack(/*at_once=*/failure_.has_value() || returned_);
}

void BlockHandle::Fail(std::string why) { failure_ = std::move(why); }

void BlockHandle::Return() { returned_ = true; }

void BlockHandle::Finish() {
  if (session_ != nullptr) HandBack(/*at_once=*/true);
}

void BlockHandle::HandBack(bool at_once) {
  BlockResult result{lease(), failure_ ? BlockOutcome::kFailed : BlockOutcome::kCompleted,
                     failure_.value_or("")};
  if (returned_) result = {lease(), BlockOutcome::kReturned, ""};
  session_->HandBack(std::move(result), greeting_, at_once);
  session_.reset();
}

// ---- Worker ----

Worker Worker::FromEnvironment() { return Worker(ValueOrThrow(WorkerOptions::FromEnvironment())); }

Worker::Worker(const WorkerOptions& options)
    : session_(ValueOrThrow(StockedSession::Start(options))) {}

Worker::~Worker() {
  if (session_ != nullptr) session_->Leave("");
}

std::optional<BlockHandle> Worker::Acquire() {
  std::optional<StockedSession::Leased> leased = ValueOrThrow(session_->Next());
  if (!leased) return std::nullopt;
  return BlockHandle(Block(leased->block, std::move(leased->task)), session_, leased->greeting);
}

std::vector<BlockHandle> Worker::AcquireSeveral(size_t most) {
  std::vector<BlockHandle> blocks;
  blocks.reserve(most);
  if (std::optional<BlockHandle> first = Acquire()) blocks.push_back(std::move(*first));
  while (!blocks.empty() && blocks.size() < most) {
    std::optional<StockedSession::Leased> leased = session_->NextInStock();
    if (!leased) break;
    blocks.push_back(
        BlockHandle(Block(leased->block, std::move(leased->task)), session_, leased->greeting));
  }
  return blocks;
}

void Worker::RunStatus(const std::function<Status(const Block&)>& function) {
  while (auto block = Acquire()) {
    std::optional<std::string> failure;
    try {
      const Status status = function(*block);
      if (!status.ok()) failure = status.error().message;
    } catch (const std::exception& error) {
      failure = error.what();
    } catch (...) {
      failure = "an exception that is no std::exception";
    }
    if (!failure) continue;
    std::fprintf(stderr, "bellis: block %lld of task '%s' failed (attempt %u): %s\n",
                 static_cast<long long>(block->id()), block->task().c_str(), block->attempt(),
                 failure->c_str());
    block->Fail(std::move(*failure));
  }
}

std::string Worker::job() const { return session_->job(); }
std::string Worker::task() const { return session_->task(); }
WorkerId Worker::id() const { return session_->worker(); }
uint32_t Worker::slot() const { return session_->slot(); }
std::string Worker::leave_reason() const { return session_->leave_reason(); }

}  // namespace bellis
