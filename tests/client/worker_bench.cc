// The cost of the worker library: round trips per second of bellis::Worker beside those of bare
// ZeroMQ with the same bytes and the same peer (a process that answers every request with the same
// block). For comparable figures, pin it to one CPU: taskset -c 0 worker_bench [blocks].

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>
#include <zmq.hpp>

#include "bellis/worker.h"
#include "common/protocol/codec.h"

namespace bellis {
namespace {

std::string Bytes(const Message& message) {
  Codec codec;
  const auto bytes = codec.Encode(message);
  return {bytes.begin(), bytes.end()};
}

const Message kWork =
    WorkMsg{{LeasedBlock{LeaseId(123456), 4711, 4711, Roi({990, 1990, 2990}, {120, 120, 120}),
                         Roi({1000, 2000, 3000}, {100, 100, 100}), 1}}};
const Message kRelease = ReleaseMsg{{{LeaseId(123456), BlockOutcome::kCompleted, ""}}, 1};

/// Leases the same block again and again, as fast as any broker could.
[[noreturn]] void ServeForever(const std::string& endpoint) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  zmq::context_t context(1);
  zmq::socket_t router(context, zmq::socket_type::router);
  router.bind(endpoint);
  const std::string welcome = Bytes(WelcomeMsg{1, "bench", "job", "task", WorkerId(1)});
  const std::string work = Bytes(kWork);
  bool greeted = false;
  for (;;) {
    zmq::message_t peer;
    zmq::message_t frame;
    static_cast<void>(router.recv(peer));
    static_cast<void>(router.recv(frame));
    router.send(peer, zmq::send_flags::sndmore);
    router.send(zmq::buffer(greeted ? work : welcome));
    greeted = true;
  }
}

double RatePerSecond(uint64_t rounds, const std::function<void(uint64_t)>& run) {
  run(rounds / 10);
  const auto start = std::chrono::steady_clock::now();
  run(rounds);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return static_cast<double>(rounds) / elapsed.count();
}

double RawRate(const std::string& endpoint, uint64_t rounds) {
  zmq::context_t context(1);
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.connect(endpoint);
  const std::string release = Bytes(kRelease);
  return RatePerSecond(rounds, [&](uint64_t count) {
    for (; count > 0; --count) {
      dealer.send(zmq::buffer(release));
      zmq::message_t reply;
      static_cast<void>(dealer.recv(reply));
    }
  });
}

double WorkerRate(const std::string& endpoint, uint64_t rounds) {
  WorkerOptions options;
  options.endpoint = endpoint;
  Worker worker(options);
  return RatePerSecond(rounds, [&](uint64_t count) {
    for (; count > 0; --count) worker.Acquire();
  });
}

double WithServer(const std::function<double(const std::string&)>& measure) {
  const std::string endpoint = "ipc:///tmp/bellis-bench-" + std::to_string(::getpid());
  const pid_t server = ::fork();
  if (server == 0) ServeForever(endpoint);
  const double rate = measure(endpoint);
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  return rate;
}

}  // namespace
}  // namespace bellis

// The raw exchange and the worker take short turns, and their medians are compared, so that other
// load on the machine disturbs both alike.
int main(int argc, char** argv) {
  const uint64_t rounds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20'000;
  const int turns = argc > 2 ? std::atoi(argv[2]) : 9;
  std::vector<double> raw;
  std::vector<double> worker;
  std::vector<double> ratio;
  for (int turn = 0; turn < turns; ++turn) {
    using bellis::WithServer;
    raw.push_back(WithServer([&](const auto& at) { return bellis::RawRate(at, rounds); }));
    worker.push_back(WithServer([&](const auto& at) { return bellis::WorkerRate(at, rounds); }));
    ratio.push_back(worker.back() / raw.back());
  }
  for (auto* rates : {&raw, &worker, &ratio}) std::sort(rates->begin(), rates->end());
  const size_t middle = raw.size() / 2;
  std::printf("raw %.0f/s, worker %.0f/s, ratio %.2f (medians of %d turns of %llu)\n", raw[middle],
              worker[middle], ratio[middle], turns, static_cast<unsigned long long>(rounds));
}
