#include "tests/sim/report.h"

#include <fmt/format.h>

#include <sstream>

namespace bellis::sim {
namespace {

std::string Detail(const HelloMsg& m) {
  return fmt::format("role={} job={} task={} worker={} pid={}", RoleName(m.role), m.job, m.task,
                     m.worker.value, m.pid);
}
std::string Detail(const PingMsg& m) { return fmt::format("nonce={}", m.nonce); }
std::string Detail(const ByeMsg& m) { return m.reason; }
std::string Detail(const AcquireMsg& m) { return fmt::format("want={}", m.want); }
std::string Detail(const ReleaseMsg& m) {
  static constexpr const char* kOutcomes[] = {"completed", "failed", "returned"};
  std::string text = fmt::format("want={}", m.want);
  for (const BlockResult& result : m.results) {
    text += fmt::format(" {}:{}", result.lease.value, kOutcomes[static_cast<int>(result.outcome)]);
  }
  for (const LeaseRun& run : m.runs) text += fmt::format(" {}+{}", run.lease.value, run.count);
  return text;
}
std::string Detail(const WelcomeMsg& m) {
  return fmt::format("job={} task={} worker={}{}", m.job, m.task, m.worker.value,
                     m.grid ? " runs" : "");
}
std::string Detail(const WorkMsg& m) {
  std::string text;
  for (const LeasedBlock& block : m.blocks) {
    text += fmt::format("lease {}: block {} attempt {}; ", block.lease.value, block.index,
                        block.attempt);
  }
  for (const WorkRun& run : m.runs) {
    text += fmt::format("leases {}+{}: blocks from {}; ", run.lease.value, run.count, run.index);
  }
  return text;
}
std::string Detail(const RecallMsg& m) { return fmt::format("keep={}", m.keep); }
std::string Detail(const DrainMsg& m) { return m.reason; }
std::string Detail(const LeaveMsg& m) { return m.reason; }
std::string Detail(const PongMsg& m) { return fmt::format("nonce={}", m.nonce); }
std::string Detail(const ErrorMsg& m) {
  return fmt::format("req={} {}: {}", m.req, ErrorCodeName(m.code), m.message);
}
std::string Detail(const SubmitMsg& m) {
  return fmt::format("req={} name={} tasks={}{}", m.req, m.spec.name, m.spec.tasks.size(),
                     m.spec.serial ? " serial" : "");
}
std::string Detail(const StatusMsg& m) { return fmt::format("req={} job={}", m.req, m.job); }
std::string Detail(const ExplainMsg& m) { return fmt::format("{}/{}", m.job, m.block); }
std::string Detail(const ExplainedMsg& m) { return m.summary; }
std::string Detail(const CancelMsg& m) { return fmt::format("req={} job={}", m.req, m.job); }
std::string Detail(const WatchMsg& m) { return fmt::format("req={} job={}", m.req, m.job); }
std::string Detail(const SubmittedMsg& m) { return fmt::format("req={} job={}", m.req, m.job); }
std::string Detail(const JobsMsg& m) { return fmt::format("req={} jobs={}", m.req, m.jobs.size()); }
std::string Detail(const CancelledMsg& m) { return fmt::format("req={} job={}", m.req, m.job); }
std::string Detail(const ProgressMsg& m) {
  return fmt::format("req={} job={}", m.req, m.status.job);
}
std::string Detail(const EndedMsg& m) {
  return fmt::format("req={} job={} {} {}", m.req, m.status.job, JobStateName(m.status.state),
                     m.status.reason);
}
std::string Detail(const LaunchMsg& m) {
  return fmt::format("worker={} task={} {}", m.worker.value, m.task,
                     m.command.empty() ? "" : m.command.back());
}
std::string Detail(const StopMsg& m) { return fmt::format("worker={}", m.worker.value); }
std::string Detail(const LaunchedMsg& m) { return fmt::format("worker={}", m.worker.value); }
std::string Detail(const ExitedMsg& m) {
  return fmt::format("worker={} code={} signal={} {}", m.worker.value, m.exit_code, m.signal,
                     m.start_error);
}
std::string Detail(const CommittedMsg& m) {
  std::string text;
  for (const LeaseId lease : m.leases) text += fmt::format(" {}", lease.value);
  for (const LeaseId lease : m.dropped) text += fmt::format(" not {}", lease.value);
  return text;
}
std::string Detail(const RetryFailedMsg& m) { return fmt::format("req={} job={}", m.req, m.job); }
std::string Detail(const RetriedMsg& m) { return fmt::format("req={} {}", m.req, m.blocks); }
std::string Detail(const PauseMsg& m) { return fmt::format("{}/{}", m.job, m.task); }
std::string Detail(const ResumeMsg& m) { return fmt::format("{}/{}", m.job, m.task); }
std::string Detail(const SetWorkersMsg& m) {
  return fmt::format("{}/{} {}={}", m.job, m.task, m.group, m.count);
}
std::string Detail(const WorkerGoneMsg& m) { return fmt::format("worker={}", m.worker.value); }
std::string Detail(const OkMsg& m) { return fmt::format("req={}", m.req); }
std::string Stamp(Instant at) { return fmt::format("{:12.6f} s  ", Duration{at.ns}.seconds()); }

}  // namespace

std::string Describe(const Message& message) {
  const std::string detail = std::visit([](const auto& m) { return Detail(m); }, message);
  return std::string(KindName(message)) + (detail.empty() ? "" : " " + detail);
}

void Trace::Add(Instant now, std::string text) {
  if (verbose_) fmt::print("{}{}\n", Stamp(now), text);
  ring_[added_++ % kKept] = {now, std::move(text)};
}

std::string Trace::Tail() const {
  std::string text;
  for (size_t i = added_ > kKept ? added_ - kKept : 0; i < added_; ++i) {
    const Entry& entry = ring_[i % kKept];
    text += Stamp(entry.at) + entry.text + "\n";
  }
  return text;
}

void Tally::Add(const Tally& other) {
  seeds += other.seeds;
  steps += other.steps;
  messages += other.messages;
  blocks += other.blocks;
  leases += other.leases;
  virtual_ms += other.virtual_ms;
  for (const auto& [name, count] : other.jobs) jobs[name] += count;
  for (const auto& [name, count] : other.faults) faults[name] += count;
}

std::string Tally::ToText() const {
  std::string text =
      fmt::format("{} {} {} {} {} {}\n", seeds, steps, messages, blocks, leases, virtual_ms);
  for (const auto& [name, count] : jobs) text += fmt::format("job {} {}\n", name, count);
  for (const auto& [name, count] : faults) text += fmt::format("fault {} {}\n", name, count);
  return text;
}

Tally Tally::FromText(const std::string& text) {
  Tally tally;
  std::istringstream in(text);
  in >> tally.seeds >> tally.steps >> tally.messages >> tally.blocks >> tally.leases >>
      tally.virtual_ms;
  std::string what;
  std::string name;
  uint64_t count = 0;
  while (in >> what >> name >> count) (what == "job" ? tally.jobs : tally.faults)[name] += count;
  return tally;
}

}  // namespace bellis::sim
