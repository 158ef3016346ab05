#include "broker/server_parts.h"

#include <chrono>
#include <random>
#include <string>
#include <string_view>

#include "broker/net/process_limits.h"
#include "common/machine.h"

namespace bellis {
namespace {

/// A random tag, which distinguishes this broker's runs from those that other brokers name in the
/// same second.
std::string RunTag() {
  constexpr std::string_view kLetters = "0123456789abcdefghijkmnpqrstuvwxyz";
  std::random_device random;
  std::string tag;
  for (int i = 0; i < 5; ++i) tag += kLetters[random() % kLetters.size()];
  return tag;
}

}  // namespace

CoreOptions CoreOptionsOf(const ServerOptions& options, Instant now) {
  CoreOptions core;
  core.lease = options.lease;
  core.hello_wait = options.hello_wait;
  core.reconnect_window = options.reconnect_window;
  core.durable = !options.state_dir.empty();
  core.resources = options.resources;
  core.late_workers_stopped = GateOptionsOf(options).proof != Proof::kNone;
  core.job_memory_max = options.job_memory_max != 0 ? options.job_memory_max : JobMemoryMax();
  core.machine = MachineName();
  core.run_tag = RunTag();
  const auto today = std::chrono::system_clock::now().time_since_epoch();
  core.unix_ms_at_zero = today / std::chrono::milliseconds(1) - now.ns / 1'000'000;
  return core;
}

GateOptions GateOptionsOf(const ServerOptions& options) {
  GateOptions gate;
  if (options.endpoint.starts_with("tcp://")) {
    gate.proof = options.insecure ? Proof::kToken : Proof::kCurve;
  } else if (!options.access_file.empty()) {
    gate.proof = Proof::kToken;
  }
  gate.key_file = options.key_file;
  gate.access_file = options.access_file;
  gate.jobs_last = !options.state_dir.empty();
  return gate;
}

}  // namespace bellis
