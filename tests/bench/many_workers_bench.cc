// Measures a broker with 10 to 10,000 workers: its blocks per second, its CPU time per block, how
// long a worker waits for a block, and how long the broker takes when all workers come, go or come
// back at once. The workers are a swarm in one thread (swarm.h), which is pinned to a second CPU.
//
//     many_workers_bench [--workers 10,100,1000,10000] [--seconds S] [--json]

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bellis/control.h"
#include "tests/bench/swarm.h"
#include "tests/folder.h"
#include "tools/bench/no_op_job.h"

namespace {

using namespace bellis;
using Clock = std::chrono::steady_clock;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void Require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "many_workers_bench: %s\n", what.c_str());
  std::exit(1);
}

void Pin(int cpu) {
  if (std::thread::hardware_concurrency() < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

/// bellis-broker as a child, on CPU 0.
class Broker {
 public:
  Broker(const std::string& folder, bool durable) : folder_(folder), durable_(durable) { Start(); }
  ~Broker() { Kill(); }
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  std::string socket() const { return folder_ + "/socket"; }
  void Start() {
    std::fflush(stdout);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      Pin(0);
      const std::string endpoint = "ipc://" + socket();
      const std::string state = folder_ + "/state";
      std::vector<const char*> command = {"bellis-broker", "--endpoint",  endpoint.c_str(),
                                          "--no-launcher", "--log-level", "error"};
      if (durable_) command.insert(command.end(), {"--state-dir", state.c_str()});
      command.push_back(nullptr);
      std::freopen("/dev/null", "w", stdout);
      const std::string path = std::string(BELLIS_BIN_DIR) + "/bellis-broker";
      execv(path.c_str(), const_cast<char* const*>(command.data()));
      _exit(127);
    }
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  Control Connect() const {
    auto control = Control::Connect({"ipc://" + socket(), "", Duration::Seconds(60)});
    Require(control.ok(), control.ok() ? "" : control.error().message);
    return std::move(control).value();
  }
  /// Seconds of CPU that it has taken.
  double cpu() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  double rss_kib() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
    double pages = 0;
    double resident = 0;
    file >> pages >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
  }

 private:
  const std::string folder_;
  const bool durable_;
  pid_t pid_ = -1;
};

/// The workers: each asks for one block at a time, and finishes it at once, or keeps it.
class Workers {
 public:
  Workers(const std::string& socket, size_t count, uint32_t heartbeat_ms)
      : heartbeat_ms_(heartbeat_ms),
        states_(count),
        swarm_(socket, count, [this](size_t i, const Message& message) { Hear(i, message); }) {}

  /// All connect and are welcomed.
  void Connect() {
    welcomed_ = 0;
    swarm_.Connect([this](size_t i) { return HelloOf(i); });
    Until([this] { return welcomed_ == states_.size(); }, "not all workers were welcomed");
  }
  /// Each asks for a block, and has one in the end, which it keeps.
  void TakeOneEach() {
    KeepTheNext();
    for (size_t i = 0; i < states_.size(); ++i) Ask(i);
    AwaitOneEach();
  }
  /// Each keeps the block that it has asked for.
  void KeepTheNext() {
    keep_ = true;
    holding_ = 0;
  }
  void AwaitOneEach() {
    Until([this] { return holding_ == states_.size(); }, "not all workers got a block");
  }
  /// Each hands in what it has, and has another one in the end.
  void GoOn() {
    holding_ = 0;
    for (size_t i = 0; i < states_.size(); ++i) HandIn(i);
    Until([this] { return holding_ == states_.size(); }, "not all workers got another block");
  }
  /// All workers work for so many seconds.
  void Work(double seconds) {
    keep_ = false;
    done_ = 0;
    waits_.clear();
    for (size_t i = 0; i < states_.size(); ++i) HandIn(i);
    const auto begin = Clock::now();
    while (Since(begin) < seconds) swarm_.Turn(10);
  }
  /// All workers wait and send heartbeats for so many seconds.
  void Idle(double seconds) {
    const auto begin = Clock::now();
    double sent = 0;
    size_t next = 0;
    while (Since(begin) < seconds) {
      const double due = Since(begin) * 1000 * static_cast<double>(states_.size()) / heartbeat_ms_;
      for (; sent < due; ++sent, next = (next + 1) % states_.size()) {
        swarm_.Send(next, PingMsg{static_cast<uint64_t>(sent) + 1});
      }
      swarm_.Turn(2);
    }
  }
  void Drop() { swarm_.Disconnect(); }
  void Settle(double seconds) {
    const auto begin = Clock::now();
    while (Since(begin) < seconds) swarm_.Turn(10);
  }

  uint64_t done() const { return done_; }
  /// From a release to the next work, in microseconds.
  std::vector<double>& waits() { return waits_; }

 private:
  struct State {
    WorkerId id;
    uint64_t greeting = 0;
    HeldLease held;
    Clock::time_point asked;
  };

  Message HelloOf(size_t i) {
    State& state = states_[i];
    HelloMsg hello;
    hello.role = Role::kWorker;
    hello.worker = state.id;
    hello.session = i + 1;
    hello.greeting = ++state.greeting;
    hello.heartbeat_ms = heartbeat_ms_;
    hello.language = "swarm";
    if (state.held.lease.set()) hello.held = {state.held};
    return hello;
  }
  void Ask(size_t i) {
    states_[i].asked = Clock::now();
    swarm_.Send(i, AcquireMsg{1});
  }
  void HandIn(size_t i) {
    State& state = states_[i];
    if (!state.held.lease.set()) return Ask(i);
    ReleaseMsg release;
    release.results = {{state.held.lease, BlockOutcome::kCompleted, ""}};
    release.want = 1;
    state.held = {};
    state.asked = Clock::now();
    swarm_.Send(i, release);
  }
  void Hear(size_t i, const Message& message) {
    State& state = states_[i];
    if (const auto* welcome = std::get_if<WelcomeMsg>(&message)) {
      state.id = welcome->worker;
      ++welcomed_;
    } else if (const auto* work = std::get_if<WorkMsg>(&message)) {
      const LeasedBlock& block = work->blocks.at(0);
      state.held = {block.lease, block.index, block.attempt};
      waits_.push_back(Since(state.asked) * 1e6);
      ++done_;
      keep_ ? static_cast<void>(++holding_) : HandIn(i);
    } else if (const auto* error = std::get_if<ErrorMsg>(&message)) {
      Require(false, error->message);
    }
  }
  void Until(const std::function<bool()>& holds, const char* what) {
    const auto begin = Clock::now();
    while (!holds()) {
      Require(Since(begin) < 120, what);
      swarm_.Turn(100);
    }
  }

  const uint32_t heartbeat_ms_;
  std::vector<State> states_;
  size_t welcomed_ = 0;
  size_t holding_ = 0;
  uint64_t done_ = 0;
  bool keep_ = true;
  std::vector<double> waits_;
  bench::Swarm swarm_;
};

double Percentile(std::vector<double>& sorted, double p) {
  return sorted.empty() ? 0
                        : sorted[static_cast<size_t>(p * static_cast<double>(sorted.size() - 1))];
}

/// The longest time that a client waits for an answer, in the second after all workers vanished.
/// (Their blocks come back when their leases end, since they might connect again.)
double LongestAnswer(Control& control, const std::string& job) {
  const auto begin = Clock::now();
  double longest = 0;
  while (Since(begin) < 1) {
    const auto asked = Clock::now();
    Require(control.Jobs(job).ok(), "no status");
    longest = std::max(longest, Since(asked));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return longest;
}

nlohmann::ordered_json Steady(size_t count, double seconds) {
  const test::Folder folder;
  const Broker broker(folder.path(), false);
  Control control = broker.Connect();
  const auto job = control.Submit(bench::NoOpJob());
  Require(job.ok(), "no job");
  nlohmann::ordered_json row = {{"workers", count}};
  Workers workers(broker.socket(), count, 4000);
  const double rss = broker.rss_kib();
  auto begin = Clock::now();
  workers.Connect();
  row["connect_ms"] = Since(begin) * 1e3;
  workers.TakeOneEach();
  row["rss_kib_per_worker"] = (broker.rss_kib() - rss) / static_cast<double>(count);
  workers.Work(seconds / 4);  // warm
  const double cpu = broker.cpu();
  begin = Clock::now();
  workers.Work(seconds);
  row["blocks_per_s"] = static_cast<double>(workers.done()) / Since(begin);
  row["broker_us_per_block"] = (broker.cpu() - cpu) * 1e6 / static_cast<double>(workers.done());
  std::sort(workers.waits().begin(), workers.waits().end());
  row["wait_us"] = {{"p50", Percentile(workers.waits(), .5)},
                    {"p99", Percentile(workers.waits(), .99)},
                    {"max", Percentile(workers.waits(), 1)}};
  Require(control.Pause(job->job).ok(), "no pause");
  workers.Settle(0.3);
  const double before = broker.cpu();
  begin = Clock::now();
  workers.Idle(seconds);
  row["idle_cpu_percent"] = (broker.cpu() - before) / Since(begin) * 100;
  workers.KeepTheNext();
  Require(control.Resume(job->job).ok(), "no resume");
  workers.AwaitOneEach();
  workers.Drop();
  row["answer_after_vanishing_ms"] = LongestAnswer(control, job->job) * 1e3;
  return row;
}

/// Milliseconds from the kill of a broker until all workers of the next one work again.
double RestartMs(size_t count) {
  const test::Folder folder;
  Broker broker(folder.path(), true);
  {
    Control control = broker.Connect();
    Require(control.Submit(bench::NoOpJob()).ok(), "no job");
  }
  Workers workers(broker.socket(), count, 4000);
  workers.Connect();
  workers.TakeOneEach();
  const auto begin = Clock::now();
  broker.Kill();
  workers.Drop();
  broker.Start();
  workers.Connect();
  workers.GoOn();
  return Since(begin) * 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"One broker with many workers."};
  std::vector<size_t> counts = {10, 100, 1'000, 10'000};
  double seconds = 4;
  bool json = false;
  app.add_option("--workers", counts, "numbers of workers")->delimiter(',');
  app.add_option("--seconds", seconds, "per measurement")->capture_default_str();
  app.add_flag("--json", json, "one JSON array on stdout");
  CLI11_PARSE(app, argc, argv);
  Pin(1);
  auto rows = nlohmann::ordered_json::array();
  if (!json) {
    std::printf("%8s %10s %9s %8s %8s %9s %9s %10s %8s %9s %11s\n", "workers", "blocks/s",
                "us/block", "p50 us", "p99 us", "max us", "KiB each", "connect ms", "idle %",
                "vanish ms", "restart ms");
  }
  for (const size_t count : counts) {
    nlohmann::ordered_json row = Steady(count, seconds);
    row["restart_ms"] = RestartMs(count);
    if (!json) {
      const auto& wait = row["wait_us"];
      std::printf("%8zu %10.0f %9.2f %8.0f %8.0f %9.0f %9.1f %10.1f %8.1f %9.1f %11.1f\n", count,
                  row["blocks_per_s"].get<double>(), row["broker_us_per_block"].get<double>(),
                  wait["p50"].get<double>(), wait["p99"].get<double>(), wait["max"].get<double>(),
                  row["rss_kib_per_worker"].get<double>(), row["connect_ms"].get<double>(),
                  row["idle_cpu_percent"].get<double>(),
                  row["answer_after_vanishing_ms"].get<double>(), row["restart_ms"].get<double>());
      std::fflush(stdout);
    }
    rows.push_back(std::move(row));
  }
  if (json) std::printf("%s\n", rows.dump(2).c_str());
}
