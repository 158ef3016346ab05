#pragma once

// For tests of the codec: hand-written bytes, and a message of every kind.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/protocol/codec.h"
#include "common/protocol/messages.h"

namespace bellis {

/// Turns "92 a3 627965" into bytes; characters that are no hex digits are ignored.
inline std::string Hex(std::string_view text) {
  std::string bytes;
  int digits = 0;
  int value = 0;
  for (const char c : text) {
    if (!std::isxdigit(static_cast<unsigned char>(c))) continue;
    value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    if (++digits % 2 == 0) {
      bytes.push_back(static_cast<char>(value));
      value = 0;
    }
  }
  return bytes;
}

/// The bytes that another program would send for this JSON text: packed by nlohmann, not by our
/// writer.
inline std::string Packed(std::string_view json) {
  const std::vector<uint8_t> bytes = nlohmann::json::to_msgpack(nlohmann::json::parse(json));
  return {bytes.begin(), bytes.end()};
}

/// A short string, packed as a msgpack str.
inline std::string PackedStr(std::string_view text) {
  return std::string(1, static_cast<char>(0xa0 | text.size())) + std::string(text);
}

inline std::string Encoded(const Message& message) {
  Codec codec;
  const auto bytes = codec.Encode(message);
  return {bytes.begin(), bytes.end()};
}

inline DecodeResult Decoded(std::string_view bytes) {
  Codec codec;
  return codec.Decode({bytes.data(), bytes.size()});
}

inline JobSpec FullJob() {
  TaskSpec task;
  task.task_id = "a:b/ç";
  task.total_roi = Roi({0, -100}, {1000, 1000});
  task.read_roi = Roi({-1, -1}, {12, 12});
  task.write_roi = Roi({0, 0}, {10, 10});
  task.fit = Fit::kShrink;
  task.read_write_conflict = Conflict::kNone;
  task.order = Order::kFifo;
  task.max_retries = 7;
  task.timeout = Duration::Millis(2500);
  task.max_worker_restarts = 3;
  task.max_failures = 0;
  task.workers = {{.command = {"python", "a.py"}, .count = 4, .env = {{"A", "1"}}}};
  task.external_workers = true;
  task.release_idle = true;
  task.prefetch = 0;
  task.env = {{"B", ""}, {"C", "="}};
  TaskSpec next = task;
  next.task_id = "next";
  next.upstream = {"a:b/ç"};
  return {.name = "a job",
          .tasks = {task, next},
          .serial = true,
          .cwd = "/tmp",
          .log_dir = "/tmp/logs",
          .env = {{"D", "2"}}};
}

inline JobStatus FullStatus() {
  TaskStatus task_status{.task = "blur",
                         .counts = {.blocks = 36,
                                    .masked = 1,
                                    .pending = 2,
                                    .ready = 3,
                                    .leased = 4,
                                    .completed = 5,
                                    .skipped = 9,
                                    .failed = 6,
                                    .orphaned = 7},
                         .levels = 8,
                         .workers_starting = 10,
                         .workers_live = 11,
                         .worker_restarts = 12,
                         .block_ms_mean = 1.25,
                         .languages = {{.language = "c++", .blocks = 5, .block_ms_mean = 0.5}},
                         .failures = {{.block = -5,
                                       .index = int64_t{1} << 40,
                                       .attempt = 2,
                                       .worker = WorkerId(3),
                                       .error = "timeout after 5 s"}},
                         .failures_total = 400,
                         .error = "too many crashes",
                         .log_dir = "/logs",
                         .paused = true,
                         .notices = {"is slowed", "starts no other workers: \n"}};
  TaskStatus other_task_status;
  other_task_status.task = "label";
  return {.job = "1",
          .name = "a job",
          .state = JobState::kFailed,
          .reason = "blur failed",
          .elapsed_s = 12.75,
          .tasks = {task_status, other_task_status}};
}

inline TaskGrid FullGrid() {
  return {.shape = {3, uint64_t{1} << 61},
          .read = Roi({-1, -2}, {12, 14}),
          .write = Roi({0, 0}, {10, 10}),
          .total = Roi({-1, -2}, {32, 100}),
          .fit = Fit::kShrink};
}

/// The messages between workers and the broker.
inline std::vector<Message> FullWorkerMessages() {
  const Roi read({-8, 0, int64_t{1} << 40}, {64, 0, 1});
  const Roi write({0, 8, 1 - (int64_t{1} << 61)}, {int64_t{1} << 61, 1, 40'000});
  return {HelloMsg{.version = 2,
                   .role = Role::kWorker,
                   .token = "secret",
                   .job = "1",
                   .task = "blur",
                   .worker = WorkerId(7),
                   .language = "c++",
                   .host = "node1",
                   .pid = 4711,
                   .machine = "4d2:7",
                   .session = INT64_MAX,
                   .greeting = INT64_MAX,
                   .heartbeat_ms = 4000,
                   .held = {{.lease = LeaseId(8), .index = 5, .attempt = 2},
                            {.lease = LeaseId(9), .index = 0}},
                   .runs = true},
          PingMsg{.nonce = INT64_MAX},
          ByeMsg{.reason = "done"},
          AcquireMsg{.want = kWantMax},
          ReleaseMsg{
              .results = {{.lease = LeaseId(9), .error = ""},
                          {.lease = LeaseId(10), .outcome = BlockOutcome::kReturned, .error = ""},
                          {.lease = LeaseId(300),
                           .outcome = BlockOutcome::kFailed,
                           .error = "Traceback:\n  naïve"}},
              .want = 2,
              .runs = {{LeaseId(INT64_MAX), kWantMax}, {LeaseId(1), 1}}},
          WelcomeMsg{.version = 3,
                     .broker = "bellis 1",
                     .job = "1",
                     .task = "blur",
                     .worker = WorkerId(70000),
                     .slot = 3,
                     .lease_ms = 20'000,
                     .heartbeat_ms = 4000,
                     .durable = true,
                     .prefetch = 0,
                     .held = {LeaseId(8)},
                     .grid = FullGrid()},
          WorkMsg{.blocks = {{.lease = LeaseId(5'000'000'000),
                              .index = 6,
                              .id = -7,
                              .read = read,
                              .write = write,
                              .attempt = 3},
                             {.lease = LeaseId(1),
                              .index = 0,
                              .id = INT64_MIN,
                              .read = Roi({0}, {1}),
                              .write = Roi({1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 3, 4, 5, 6, 7, 8})}},
                  .runs = {{.lease = LeaseId(2), .index = uint64_t{1} << 61, .count = kWantMax},
                           {.lease = LeaseId(3000), .index = 0, .count = 1}}},
          DrainMsg{.reason = "too many failures"},
          LeaveMsg{.reason = "the task is done"},
          PongMsg{.nonce = 5},
          ErrorMsg{.code = ErrorCode::kTimeout, .message = "no answer", .req = 12}};
}

/// The messages of clients: jobs and their progress.
inline std::vector<Message> FullJobMessages() {
  const JobStatus status = FullStatus();
  JobStatus other_status;
  other_status.job = "2";
  return {SubmitMsg{.req = 1, .spec = FullJob(), .fresh = true},
          StatusMsg{.req = 2, .job = "1"},
          CancelMsg{.req = 3, .job = "1", .reason = "wrong file"},
          WatchMsg{.req = 4, .job = "1", .interval_ms = 60'000},
          SubmittedMsg{.req = 5, .job = "1", .resumed = true, .done = 77, .run = "r"},
          JobsMsg{.req = 6, .jobs = {status, other_status}},
          CancelledMsg{.req = 7, .job = "1"},
          ProgressMsg{.req = 8, .status = status, .dropped = 3},
          EndedMsg{.req = 9, .status = status}};
}

inline std::vector<Message> FullLauncherMessages() {
  return {LaunchMsg{.worker = WorkerId(1),
                    .job = "1",
                    .task = "blur",
                    .command = {"python", "-c", "", "ü"},
                    .env = {{"", "x"}, {"A", ""}},
                    .cwd = "/data",
                    .log_dir = "/logs",
                    .run = "2026-11-27T030507Z_job-1_k3x9"},
          StopMsg{.worker = WorkerId(2), .grace_ms = UINT32_MAX},
          LaunchedMsg{.worker = WorkerId(3), .pid = -1},
          ExitedMsg{.worker = WorkerId(4),
                    .exit_code = -1,
                    .signal = 9,
                    .start_error = "no such program",
                    .stderr_tail = "Killed\n",
                    .working = {{WorkerId(4), LeaseId(7)}, {WorkerId(5), LeaseId()}}}};
}

/// The messages that were added to the protocol later.
inline std::vector<Message> FullLaterMessages() {
  return {
      ExplainMsg{.req = 9, .job = "1", .task = "blur", .block = -3, .worker = WorkerId(5)},
      ExplainedMsg{.req = 10,
                   .summary = "it waits for a worker",
                   .steps = {{.task = "blur", .block = 4, .index = 5, .state = "ready", .why = "x"},
                             {.task = "label", .state = "", .why = ""}}},
      CommittedMsg{.leases = {LeaseId(1), LeaseId(INT64_MAX)},
                   .dropped = {LeaseId(7)},
                   .runs = {{LeaseId(9), 3}}},
      RetryFailedMsg{.req = 11, .job = "1"},
      RetriedMsg{.req = 12, .job = "1", .blocks = 3},
      PauseMsg{.req = 13, .job = "1", .task = "blur"},
      ResumeMsg{.req = 14, .job = "1", .task = "blur"},
      SetWorkersMsg{.req = 15, .job = "1", .task = "blur", .group = 1, .count = 9},
      OkMsg{.req = 16},
      WorkerGoneMsg{.req = 17, .worker = WorkerId(5)},
      RecallMsg{.keep = 5}};
}

/// A message of every kind with no field at its default, in the order of Message.
inline std::vector<Message> FullMessages() {
  std::vector<Message> all;
  for (std::vector<Message> (*some)() :
       {FullWorkerMessages, FullJobMessages, FullLauncherMessages, FullLaterMessages}) {
    for (Message& message : some()) all.push_back(std::move(message));
  }
  return all;
}

namespace internal {
template <size_t... kKind>
std::vector<Message> DefaultsOf(std::index_sequence<kKind...>) {
  return {Message(std::in_place_index<kKind>)...};
}
}  // namespace internal

/// A message of every kind with all fields at their defaults, in the order of Message. (The job of
/// the submit is not valid.)
inline std::vector<Message> DefaultMessages() {
  return internal::DefaultsOf(std::make_index_sequence<kMessageKinds>());
}

}  // namespace bellis
