#pragma once

// The fields of every message by name: MESSAGES.md's tables, used for both reading and writing. A
// struct's fields are written in this order, and read in any order.
//
// `required` marks fields without which a message makes no sense. Any other missing field has the
// struct's default. `omit_empty` is for fields whose documented default is zero or empty.

#include <concepts>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "common/protocol/enum_names.h"
#include "common/protocol/messages.h"
#include "common/protocol/tape_reader.h"

namespace bellis::wire {

/// A field with its name on the wire. The members of kPath lead to it, one after the other.
template <auto... kPath>
struct Field {
  std::string_view name;
  FieldRule rule = {};
  template <typename T>
  static constexpr auto& Of(T& object) {
    return (object.*....*kPath);
  }
};

struct NoFields {};
/// A tuple of Fields for every struct that is a map on the wire.
template <typename T>
inline constexpr NoFields kFields;
template <typename T>
concept HasFields = !std::same_as<std::remove_cvref_t<decltype(kFields<T>)>, NoFields>;

// ---- any peer to the broker ----

template <>
inline constexpr auto kFields<HeldLease> = std::tuple{
    Field<&HeldLease::lease>{"lease", {.required = true}},
    Field<&HeldLease::index>{"index", {.required = true}},
    Field<&HeldLease::attempt>{"attempt"},
};
template <>
inline constexpr auto kFields<HelloMsg> = std::tuple{
    Field<&HelloMsg::version>{"version", {.saturate = true}},
    Field<&HelloMsg::role>{"role", {.required = true}},
    Field<&HelloMsg::token>{"token", {.omit_empty = true}},
    Field<&HelloMsg::job>{"job", {.omit_empty = true}},
    Field<&HelloMsg::task>{"task", {.omit_empty = true}},
    Field<&HelloMsg::worker>{"worker", {.omit_empty = true}},
    Field<&HelloMsg::duty>{"duty", {.omit_empty = true}},
    Field<&HelloMsg::language>{"language", {.omit_empty = true, .text_bytes_max = 64}},
    Field<&HelloMsg::host>{"host", {.omit_empty = true, .text_bytes_max = 256}},
    Field<&HelloMsg::pid>{"pid", {.omit_empty = true}},
    Field<&HelloMsg::former_pid>{"former_pid", {.omit_empty = true}},
    Field<&HelloMsg::machine>{"machine", {.omit_empty = true, .text_bytes_max = 256}},
    Field<&HelloMsg::session>{"session", {.omit_empty = true}},
    Field<&HelloMsg::greeting>{"greeting", {.omit_empty = true}},
    Field<&HelloMsg::heartbeat_ms>{"heartbeat_ms", {.omit_empty = true}},
    Field<&HelloMsg::held>{"held", {.omit_empty = true}},
    Field<&HelloMsg::runs>{"runs", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<PingMsg> = std::tuple{Field<&PingMsg::nonce>{"nonce"}};
template <>
inline constexpr auto kFields<ByeMsg> =
    std::tuple{Field<&ByeMsg::reason>{"reason", {.omit_empty = true}}};

// ---- worker to broker ----

inline constexpr FieldRule kWantRule = {.max = kWantMax, .over_max = ErrorCode::kLimit};

template <>
inline constexpr auto kFields<AcquireMsg> = std::tuple{Field<&AcquireMsg::want>{"want", kWantRule}};
template <>
inline constexpr auto kFields<BlockResult> = std::tuple{
    Field<&BlockResult::lease>{"lease", {.required = true}},
    Field<&BlockResult::outcome>{"status"},
    Field<&BlockResult::error>{"error", {.omit_empty = true, .text_bytes_max = kErrorTextBytesMax}},
};
inline constexpr FieldRule kCountRule = {.required = true, .min = 1, .max = kWantMax};

template <>
inline constexpr auto kFields<LeaseRun> = std::tuple{
    Field<&LeaseRun::lease>{"lease", {.required = true}},
    Field<&LeaseRun::count>{"count", kCountRule},
};
template <>
inline constexpr auto kFields<ReleaseMsg> = std::tuple{
    Field<&ReleaseMsg::results>{"results"},
    Field<&ReleaseMsg::runs>{"runs", {.omit_empty = true}},
    Field<&ReleaseMsg::want>{"want", kWantRule},
};

// ---- broker to worker ----

template <>
inline constexpr auto kFields<TaskGrid> = std::tuple{
    Field<&TaskGrid::shape>{"shape", {.required = true}},
    Field<&TaskGrid::read>{"read", {.required = true}},
    Field<&TaskGrid::write>{"write", {.required = true}},
    Field<&TaskGrid::total>{"total", {.required = true}},
    Field<&TaskGrid::fit>{"fit"},
};
template <>
inline constexpr auto kFields<WelcomeMsg> = std::tuple{
    Field<&WelcomeMsg::version>{"version", {.saturate = true}},
    Field<&WelcomeMsg::broker>{"broker"},
    Field<&WelcomeMsg::job>{"job"},
    Field<&WelcomeMsg::task>{"task"},
    Field<&WelcomeMsg::worker>{"worker"},
    Field<&WelcomeMsg::duty>{"duty", {.omit_empty = true}},
    Field<&WelcomeMsg::slot>{"slot", {.omit_empty = true}},
    Field<&WelcomeMsg::lease_ms>{"lease_ms", {.omit_empty = true}},
    Field<&WelcomeMsg::heartbeat_ms>{"heartbeat_ms", {.omit_empty = true}},
    Field<&WelcomeMsg::durable>{"durable", {.omit_empty = true}},
    Field<&WelcomeMsg::prefetch>{"prefetch", {.omit_empty = true}},
    Field<&WelcomeMsg::held>{"held", {.omit_empty = true}},
    Field<&WelcomeMsg::grid>{"grid", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<LeasedBlock> = std::tuple{
    Field<&LeasedBlock::lease>{"lease", {.required = true}},
    Field<&LeasedBlock::index>{"index", {.required = true}},
    Field<&LeasedBlock::id>{"id", {.required = true}},
    Field<&LeasedBlock::read>{"read", {.required = true}},
    Field<&LeasedBlock::write>{"write", {.required = true}},
    Field<&LeasedBlock::attempt>{"attempt"},
};
template <>
inline constexpr auto kFields<WorkRun> = std::tuple{
    Field<&WorkRun::lease>{"lease", {.required = true}},
    Field<&WorkRun::index>{"index", {.required = true}},
    Field<&WorkRun::count>{"count", kCountRule},
};
template <>
inline constexpr auto kFields<WorkMsg> = std::tuple{
    Field<&WorkMsg::blocks>{"blocks", {.required = true}},
    Field<&WorkMsg::runs>{"runs", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<CommittedMsg> = std::tuple{
    Field<&CommittedMsg::leases>{"leases"},
    Field<&CommittedMsg::dropped>{"dropped"},
    Field<&CommittedMsg::runs>{"runs", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<RecallMsg> = std::tuple{Field<&RecallMsg::keep>{"keep"}};
template <>
inline constexpr auto kFields<DrainMsg> = std::tuple{Field<&DrainMsg::reason>{"reason"}};
template <>
inline constexpr auto kFields<LeaveMsg> = std::tuple{Field<&LeaveMsg::reason>{"reason"}};
template <>
inline constexpr auto kFields<PongMsg> = std::tuple{Field<&PongMsg::nonce>{"nonce"}};
template <>
inline constexpr auto kFields<ErrorMsg> = std::tuple{
    Field<&ErrorMsg::code>{"code"},
    Field<&ErrorMsg::message>{"message"},
    Field<&ErrorMsg::req>{"req"},
};

// ---- client to broker ----

template <>
inline constexpr auto kFields<SubmitMsg> = std::tuple{
    Field<&SubmitMsg::req>{"req"},
    Field<&SubmitMsg::fresh>{"fresh", {.omit_empty = true}},
    Field<&SubmitMsg::same_programs>{"same_programs", {.omit_empty = true}},
    Field<&SubmitMsg::spec>{"job", {.required = true}},
};
template <>
inline constexpr auto kFields<StatusMsg> = std::tuple{
    Field<&StatusMsg::req>{"req"},
    Field<&StatusMsg::job>{"job", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<CancelMsg> = std::tuple{
    Field<&CancelMsg::req>{"req"},
    Field<&CancelMsg::job>{"job", {.required = true}},
    Field<&CancelMsg::reason>{"reason", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<RetryFailedMsg> = std::tuple{
    Field<&RetryFailedMsg::req>{"req"},
    Field<&RetryFailedMsg::job>{"job", {.required = true}},
};
template <>
inline constexpr auto kFields<PauseMsg> = std::tuple{
    Field<&PauseMsg::req>{"req"},
    Field<&PauseMsg::job>{"job", {.required = true}},
    Field<&PauseMsg::task>{"task", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<ResumeMsg> = std::tuple{
    Field<&ResumeMsg::req>{"req"},
    Field<&ResumeMsg::job>{"job", {.required = true}},
    Field<&ResumeMsg::task>{"task", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<SetWorkersMsg> = std::tuple{
    Field<&SetWorkersMsg::req>{"req"},
    Field<&SetWorkersMsg::job>{"job", {.required = true}},
    Field<&SetWorkersMsg::task>{"task", {.omit_empty = true}},
    Field<&SetWorkersMsg::group>{"group"},
    Field<&SetWorkersMsg::count>{"count", {.required = true}},
};
template <>
inline constexpr auto kFields<WorkerGoneMsg> = std::tuple{
    Field<&WorkerGoneMsg::req>{"req"},
    Field<&WorkerGoneMsg::worker>{"worker", {.required = true}},
};
template <>
inline constexpr auto kFields<WatchMsg> = std::tuple{
    Field<&WatchMsg::req>{"req"},
    Field<&WatchMsg::job>{"job", {.required = true}},
    Field<&WatchMsg::interval_ms>{"interval_ms", {.min = 20, .max = 60'000}},
};

// ---- broker to client ----

template <>
inline constexpr auto kFields<SubmittedMsg> = std::tuple{
    Field<&SubmittedMsg::req>{"req"},
    Field<&SubmittedMsg::job>{"job", {.required = true}},
    Field<&SubmittedMsg::resumed>{"resumed", {.omit_empty = true}},
    Field<&SubmittedMsg::done>{"done", {.omit_empty = true}},
    Field<&SubmittedMsg::run>{"run", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<LanguageStats> = std::tuple{
    Field<&LanguageStats::language>{"language", {.required = true}},
    Field<&LanguageStats::blocks>{"blocks"},
    Field<&LanguageStats::block_ms_mean>{"block_ms_mean"},
};
template <>
inline constexpr auto kFields<FailureRecord> = std::tuple{
    Field<&FailureRecord::block>{"block", {.required = true}},
    Field<&FailureRecord::index>{"index"},
    Field<&FailureRecord::attempt>{"attempt"},
    Field<&FailureRecord::worker>{"worker"},
    Field<&FailureRecord::error>{"error"},
};
template <>
inline constexpr auto kFields<TaskStatus> = std::tuple{
    Field<&TaskStatus::task>{"task", {.required = true}},
    Field<&TaskStatus::counts, &BlockCounts::blocks>{"blocks"},
    Field<&TaskStatus::counts, &BlockCounts::masked>{"masked"},
    Field<&TaskStatus::counts, &BlockCounts::pending>{"pending"},
    Field<&TaskStatus::counts, &BlockCounts::ready>{"ready"},
    Field<&TaskStatus::counts, &BlockCounts::leased>{"leased"},
    Field<&TaskStatus::counts, &BlockCounts::completed>{"completed"},
    Field<&TaskStatus::counts, &BlockCounts::skipped>{"skipped"},
    Field<&TaskStatus::counts, &BlockCounts::failed>{"failed"},
    Field<&TaskStatus::counts, &BlockCounts::orphaned>{"orphaned"},
    Field<&TaskStatus::levels>{"levels"},
    Field<&TaskStatus::workers_starting>{"workers_starting"},
    Field<&TaskStatus::workers_live>{"workers_live"},
    Field<&TaskStatus::worker_restarts>{"worker_restarts"},
    Field<&TaskStatus::block_ms_mean>{"block_ms_mean"},
    Field<&TaskStatus::languages>{"languages"},
    Field<&TaskStatus::failures>{"failures"},
    Field<&TaskStatus::failures_total>{"failures_total"},
    Field<&TaskStatus::error>{"error"},
    Field<&TaskStatus::log_dir>{"log_dir"},
    Field<&TaskStatus::paused>{"paused", {.omit_empty = true}},
    Field<&TaskStatus::notices>{"notices", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<JobStatus> = std::tuple{
    Field<&JobStatus::job>{"job", {.required = true}},
    Field<&JobStatus::name>{"name"},
    Field<&JobStatus::state>{"state"},
    Field<&JobStatus::reason>{"reason"},
    Field<&JobStatus::elapsed_s>{"elapsed_s"},
    Field<&JobStatus::user>{"user", {.omit_empty = true}},
    Field<&JobStatus::host>{"host", {.omit_empty = true}},
    Field<&JobStatus::submitted_at>{"submitted_at", {.omit_empty = true}},
    Field<&JobStatus::tasks>{"tasks"},
};
template <>
inline constexpr auto kFields<JobsMsg> = std::tuple{
    Field<&JobsMsg::req>{"req"},
    Field<&JobsMsg::jobs>{"jobs"},
};
template <>
inline constexpr auto kFields<CancelledMsg> = std::tuple{
    Field<&CancelledMsg::req>{"req"},
    Field<&CancelledMsg::job>{"job", {.required = true}},
};
template <>
inline constexpr auto kFields<RetriedMsg> = std::tuple{
    Field<&RetriedMsg::req>{"req"},
    Field<&RetriedMsg::job>{"job", {.required = true}},
    Field<&RetriedMsg::blocks>{"blocks"},
};
template <>
inline constexpr auto kFields<OkMsg> = std::tuple{Field<&OkMsg::req>{"req"}};
template <>
inline constexpr auto kFields<ProgressMsg> = std::tuple{
    Field<&ProgressMsg::req>{"req"},
    Field<&ProgressMsg::status>{"status", {.required = true}},
    Field<&ProgressMsg::dropped>{"dropped", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<EndedMsg> = std::tuple{
    Field<&EndedMsg::req>{"req"},
    Field<&EndedMsg::status>{"status", {.required = true}},
};

template <>
inline constexpr auto kFields<ExplainMsg> = std::tuple{
    Field<&ExplainMsg::req>{"req"},
    Field<&ExplainMsg::job>{"job", {.required = true}},
    Field<&ExplainMsg::task>{"task", {.omit_empty = true}},
    Field<&ExplainMsg::block>{"block"},
    Field<&ExplainMsg::worker>{"worker", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<ExplainStep> = std::tuple{
    Field<&ExplainStep::task>{"task"},   Field<&ExplainStep::block>{"block"},
    Field<&ExplainStep::index>{"index"}, Field<&ExplainStep::state>{"state"},
    Field<&ExplainStep::why>{"why"},
};
template <>
inline constexpr auto kFields<ExplainedMsg> = std::tuple{
    Field<&ExplainedMsg::req>{"req"},
    Field<&ExplainedMsg::summary>{"summary"},
    Field<&ExplainedMsg::steps>{"steps"},
};

// ---- broker to launcher, and back ----

template <>
inline constexpr auto kFields<LaunchMsg> = std::tuple{
    Field<&LaunchMsg::worker>{"worker", {.required = true}},
    Field<&LaunchMsg::job>{"job"},
    Field<&LaunchMsg::task>{"task"},
    Field<&LaunchMsg::command>{"command", {.required = true}},
    Field<&LaunchMsg::env>{"env"},
    Field<&LaunchMsg::cwd>{"cwd"},
    Field<&LaunchMsg::log_dir>{"log_dir"},
    Field<&LaunchMsg::run>{"run", {.omit_empty = true}},
};
template <>
inline constexpr auto kFields<StopMsg> = std::tuple{
    Field<&StopMsg::worker>{"worker", {.required = true}},
    Field<&StopMsg::grace_ms>{"grace_ms"},
};
template <>
inline constexpr auto kFields<LaunchedMsg> = std::tuple{
    Field<&LaunchedMsg::worker>{"worker", {.required = true}},
    Field<&LaunchedMsg::pid>{"pid"},
};
template <>
inline constexpr auto kFields<WorkingOn> = std::tuple{
    Field<&WorkingOn::worker>{"worker", {.required = true}},
    Field<&WorkingOn::lease>{"lease"},
};
template <>
inline constexpr auto kFields<ExitedMsg> = std::tuple{
    Field<&ExitedMsg::worker>{"worker", {.required = true}},
    Field<&ExitedMsg::exit_code>{"exit_code"},
    Field<&ExitedMsg::signal>{"signal"},
    Field<&ExitedMsg::start_error>{"start_error"},
    Field<&ExitedMsg::stderr_tail>{"stderr_tail"},
    Field<&ExitedMsg::working>{"working", {.omit_empty = true}},
};

}  // namespace bellis::wire
