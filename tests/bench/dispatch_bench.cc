// Dispatch rate of a real broker with real worker processes on no-op blocks, one block at a time,
// beside the best possible rate: a raw libzmq ROUTER-DEALER echo with the same frame sizes, peers
// and pinning, in the same run. Prints blocks/s, round trips/s and their ratio (medians of the
// rounds; broker and echo take turns, since the machine's speed drifts).
//
// "curve" is tcp with encryption, as users have it; "tcp" is without (--insecure). The difference
// is what encryption costs.
//
// With --batch K the peers are no workers of the library, but do nothing with what they get: each
// asks for 2 K blocks, and hands in K in a message, one by one or, with --runs, as a run. The
// echo's peers then have two messages on their way, of the same sizes, and each counts for K
// blocks.
//
//     dispatch_bench [--seconds S] [--rounds R] [--workers 1,2,4,16] [--prefetch P]
//                    [--transports curve,tcp,ipc] [--durability full] [--batch K] [--runs]

#include <sched.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "bellis/control.h"
#include "bellis/worker.h"
#include "broker/server.h"
#include "client/cpp/connection.h"
#include "common/protocol/codec.h"
#include "tests/folder.h"
#include "tools/bench/no_op_job.h"

namespace {

using namespace bellis;

constexpr int kWorkersMax = 64;

/// Shared by all processes.
struct Board {
  std::atomic<uint64_t> done[kWorkersMax * 8];  // one cache line a worker
  std::atomic<int> ready;
  std::atomic<bool> go;
};

struct Setting {
  std::string transport;
  int workers = 1;
  bool split = false;  // server and peers on CPUs of their own
  double seconds = 1.0;
};

Board* board = nullptr;
int run_number = 0;
std::string prefetch = "0";      // of the workers
std::string durability = "off";  // of the broker
uint32_t batch = 0;              // blocks in a message; 0: workers of the library, one at a time
bool in_runs = false;            // these blocks are a run

void Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

std::string Endpoint(const std::string& transport) {
  ++run_number;
  if (transport != "ipc")
    return "tcp://127.0.0.1:" + std::to_string(20'000 + getpid() % 20'000 + run_number);
  // Workers enter a socket only in a directory that nobody else may enter.
  static const test::Folder folder;
  return "ipc://" + (folder / std::to_string(run_number));
}

/// The state directory of the broker with that pid.
std::string StateDir(pid_t pid) { return "/tmp/bellis_bench_state_" + std::to_string(pid); }

/// The access file of this run's broker.
std::string AccessFile() {
  static const pid_t parent = getpid();
  return "/tmp/bellis_bench_" + std::to_string(parent) + ".access";
}

pid_t Fork() {
  const pid_t pid = fork();
  if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
  return pid;
}

/// Frame sizes of the steady state, as the codec makes them.
std::pair<size_t, size_t> FrameSizes() {
  Codec codec;
  ReleaseMsg release;
  WorkMsg work;
  release.want = std::max(1u, batch);
  const Roi roi({500, 500, 500}, {10, 10, 10});
  if (in_runs) {
    release.runs = {{LeaseId(100'000), batch}};
    work.runs = {{LeaseId(100'000), 100'000, batch}};
  }
  for (uint32_t i = 0; !in_runs && i < std::max(1u, batch); ++i) {
    release.results.push_back({LeaseId(100'000 + i), BlockOutcome::kCompleted, ""});
    work.blocks.push_back({LeaseId(100'000 + i), 100'000 + i, 100'000, roi, roi, 1});
  }
  const size_t request = codec.Encode(release).size();
  return {request, codec.Encode(work).size()};
}

[[noreturn]] void EchoServer(const std::string& endpoint, size_t reply_size) {
  zmq::context_t context;
  zmq::socket_t router(context, zmq::socket_type::router);
  router.bind(endpoint);
  const std::string reply(reply_size, 'r');
  while (true) {
    zmq::pollitem_t item{router.handle(), 0, ZMQ_POLLIN, 0};
    zmq::poll(&item, 1, std::chrono::milliseconds(-1));
    zmq::message_t id;
    zmq::message_t payload;
    while (router.recv(id, zmq::recv_flags::dontwait)) {
      (void)router.recv(payload);
      router.send(id, zmq::send_flags::sndmore);
      router.send(zmq::buffer(reply), zmq::send_flags::none);
    }
  }
}

[[noreturn]] void EchoClient(const std::string& endpoint, int number, size_t request_size) {
  zmq::context_t context;
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.connect(endpoint);
  const std::string request(request_size, 'q');
  auto& done = board->done[number * 8];
  zmq::message_t reply;
  dealer.send(zmq::buffer(request));
  (void)dealer.recv(reply);
  board->ready.fetch_add(1);
  if (batch > 0) dealer.send(zmq::buffer(request));
  while (true) {
    dealer.send(zmq::buffer(request));
    (void)dealer.recv(reply);
    done.fetch_add(std::max(1u, batch), std::memory_order_relaxed);
  }
}

/// A worker that hands in what it gets, `batch` blocks at a time.
[[noreturn]] void RawWorker(const Access& access, int number) {
  Connection connection = Connection::Open(access.endpoint, access.keys).value();
  HelloMsg hello{.role = Role::kWorker, .token = access.token, .language = "raw"};
  hello.session = static_cast<uint64_t>(number) + 1;
  hello.runs = in_runs;
  (void)connection.Send(hello).ok();
  auto& done = board->done[number * 8];
  Message message = ReleaseMsg();
  auto& release = std::get<ReleaseMsg>(message);
  uint32_t in_hand = 0;
  const auto hand_in = [&](uint32_t blocks) {
    in_hand += blocks;
    if (in_hand < batch) return;
    done.fetch_add(in_hand, std::memory_order_relaxed);
    release.want = std::exchange(in_hand, 0);
    (void)connection.Send(message).ok();
    release.results.clear();
    release.runs.clear();
  };
  while (true) {
    auto received = connection.Receive(Duration::Seconds(1));
    if (!received.ok() || !received->has_value()) continue;
    if (std::holds_alternative<WelcomeMsg>(**received)) {
      (void)connection.Send(AcquireMsg{2 * batch}).ok();
      board->ready.fetch_add(1);
    }
    const auto* work = std::get_if<WorkMsg>(&**received);
    if (work == nullptr) continue;
    for (const LeasedBlock& block : work->blocks) {
      release.results.push_back({block.lease, BlockOutcome::kCompleted, ""});
      hand_in(1);
    }
    for (WorkRun run : work->runs) {
      while (run.count > 0) {
        const uint32_t part = std::min(run.count, batch - in_hand);
        release.runs.push_back({run.lease, part});
        hand_in(part);
        run.lease.value += part;
        run.count -= part;
      }
    }
  }
}

[[noreturn]] void BellisServer(const std::string& endpoint, bool encrypted) {
  spdlog::set_level(spdlog::level::off);
  ServerOptions options;
  options.endpoint = endpoint;
  options.access_file = AccessFile();
  options.insecure = !encrypted;
  if (durability != "off") {
    options.state_dir = StateDir(getpid());
    options.sync = durability == "full";
  }
  auto server = Server::Bind(options);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    _exit(1);
  }
  _exit((*server)->Run().ok() ? 0 : 1);
}

/// Waits until this run's broker has written its access file, and reads it.
Access ReadAccess() {
  for (int i = 0; i < 5'000; ++i) {
    auto access = ReadAccessFile(AccessFile());
    if (access.ok()) return *access;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::fprintf(stderr, "no broker\n");
  exit(1);
}

[[noreturn]] void BellisWorker(const Access& access, int number) {
  WorkerOptions options;
  options.endpoint = access.endpoint;
  options.token = access.token;
  options.keys = access.keys;
  if (prefetch != "auto") options.prefetch = static_cast<uint32_t>(std::stoul(prefetch));
  Worker worker(options);
  auto& done = board->done[number * 8];
  bool first = true;
  worker.Run([&](const Block&) {
    if (std::exchange(first, false)) board->ready.fetch_add(1);
    done.fetch_add(1, std::memory_order_relaxed);
  });
  _exit(0);
}

uint64_t Done(int workers) {
  uint64_t sum = 0;
  for (int w = 0; w < workers; ++w) sum += board->done[w * 8].load(std::memory_order_relaxed);
  return sum;
}

/// Round trips a second: of blocks with `bellis`, else of the echo.
double Measure(const Setting& setting, bool bellis) {
  std::memset(static_cast<void*>(board), 0, sizeof(Board));
  const std::string endpoint = Endpoint(setting.transport);
  const auto [request, reply] = FrameSizes();
  std::vector<pid_t> children;
  const auto start = [&](int cpu, auto run) {
    const pid_t pid = Fork();
    if (pid == 0) {
      Pin(cpu);
      run();
    }
    children.push_back(pid);
  };
  std::filesystem::remove(AccessFile());
  const bool encrypted = setting.transport == "curve";
  start(0,
        [&, r = reply] { bellis ? BellisServer(endpoint, encrypted) : EchoServer(endpoint, r); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Access access;
  if (bellis) {
    access = ReadAccess();
    auto control =
        Control::Connect({access.endpoint, access.token, Duration::Seconds(5), access.keys});
    if (!control.ok() || !control->Submit(bench::NoOpJob()).ok()) {
      std::fprintf(stderr, "no job\n");
      exit(1);
    }
  }
  for (int w = 0; w < setting.workers; ++w) {
    start(setting.split ? 1 : 0, [&, w, q = request] {
      if (!bellis) EchoClient(endpoint, w, q);
      batch > 0 ? RawWorker(access, w) : BellisWorker(access, w);
    });
  }
  while (board->ready.load() < setting.workers) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const uint64_t before = Done(setting.workers);
  const auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(setting.seconds));
  const uint64_t after = Done(setting.workers);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (const pid_t pid : children) kill(pid, SIGKILL);
  for (const pid_t pid : children) waitpid(pid, nullptr, 0);
  for (const pid_t pid : children) std::filesystem::remove_all(StateDir(pid));
  for (const char* more : {"", ".launcher", ".watcher"}) {
    std::filesystem::remove(AccessFile() + more);
  }
  return static_cast<double>(after - before) / seconds;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Dispatch rate beside a raw ZeroMQ echo."};
  double seconds = 1.0;
  int rounds = 3;
  std::vector<int> workers = {1, 2, 4, 16};
  std::vector<std::string> transports = {"curve", "tcp", "ipc"};
  app.add_option("--seconds", seconds, "per measurement")->capture_default_str();
  app.add_option("--rounds", rounds, "of each pair")->capture_default_str();
  app.add_option("--workers", workers, "numbers of workers")
      ->delimiter(',')
      ->check(CLI::Range(1, kWorkersMax));
  app.add_option("--prefetch", prefetch, "blocks that a worker has in stock, or auto")
      ->check(CLI::Range(0, 512) | CLI::IsMember({"auto"}))
      ->capture_default_str();
  app.add_option("--transports", transports, "curve, tcp, ipc")->delimiter(',');
  app.add_option("--durability", durability, "off; os or full: the broker keeps its progress")
      ->check(CLI::IsMember({"off", "os", "full"}))
      ->capture_default_str();
  app.add_option("--batch", batch, "blocks in a message of peers that do nothing else")
      ->check(CLI::Range(1, 512));
  app.add_flag("--runs", in_runs, "these blocks are a run");
  CLI11_PARSE(app, argc, argv);
  board = static_cast<Board*>(
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const auto [request, reply] = FrameSizes();
  std::printf("frames: release %zu bytes, work %zu bytes; %d rounds of %.1f s\n", request, reply,
              rounds, seconds);
  std::printf("%-5s %-9s %7s %14s %14s %7s  %s\n", "", "CPUs", "workers", "blocks/s",
              "echo trips/s", "ratio", "(per round)");
  for (const std::string& transport : transports) {
    for (const bool split : {false, true}) {
      for (const int n : workers) {
        const Setting setting{transport, n, split, seconds};
        std::vector<double> blocks;
        std::vector<double> trips;
        std::vector<double> ratios;
        for (int r = 0; r < rounds; ++r) {
          trips.push_back(Measure(setting, false));
          blocks.push_back(Measure(setting, true));
          ratios.push_back(blocks.back() / trips.back());
        }
        std::printf("%-5s %-9s %7d %14.0f %14.0f %7.2f ", transport.c_str(),
                    split ? "1 + 1" : "one", n, Median(blocks), Median(trips), Median(ratios));
        for (const double ratio : ratios) std::printf(" %.2f", ratio);
        std::printf("\n");
        std::fflush(stdout);
      }
    }
  }
}
