// bellis bench: how fast a broker hands out blocks on this machine or this network.

#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/bench/broker_rates.h"
#include "tools/bench/echo.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupt.h"
#include "tools/local_broker.h"
#include "tools/private_dir.h"

namespace bellis {
namespace {

constexpr uint32_t kAhead = 64;

constexpr const char* kHelp =
    "Measures a broker of its own, beside a raw ZeroMQ echo with messages of the same size; or,\n"
    "with --endpoint or --access, a broker that runs, whose floor is then its answers to pings.\n"
    "The blocks take no time, and the workers are threads of this process. What is printed is\n"
    "blocks (or round trips) a second of all workers together, and its ratio to the floor above\n"
    "it with as many messages under way. A job of such blocks is submitted, and cancelled at the\n"
    "end.\n"
    "\n"
    "  bellis bench                          this machine, over a socket file\n"
    "  bellis bench --tcp                    the same over tcp, encrypted\n"
    "  bellis bench --state-dir /scratch/x   with the progress kept on that disk\n"
    "  bellis bench --access FILE            a running broker, from where its workers are";

struct BenchOptions {
  BrokerAddress broker;
  std::vector<int> workers = {1, 4};
  double seconds = 1.0;
  bool tcp = false;
  std::string state_dir;
  bool json = false;
};

/// A line of the table, which has a rate for each number of workers.
struct Row {
  const char* what;
  const char* unit;
  std::vector<double> per_second;
  int floor = -1;  // the row that it is compared with; -1: it is a floor
};

class Bench {
 public:
  Bench(const BenchOptions& options, Access access, std::string echo_at)
      : options_(options), access_(std::move(access)), echo_at_(std::move(echo_at)) {}

  Status Measure() {
    for (const uint32_t outstanding : {1U, kAhead}) {
      if (Status measured = MeasureWith(outstanding); !measured.ok()) return measured;
    }
    return Add(
        "blocks, as workers do by themselves", "blocks", floor_,
        [this](const auto& setting) { return bench::BlockRate(access_, std::nullopt, setting); });
  }

  const std::vector<Row>& rows() const { return rows_; }

 private:
  Status MeasureWith(uint32_t outstanding) {
    const bool one = outstanding == 1;
    floor_ = -1;
    if (!echo_at_.empty()) {
      Status echoed =
          Add(one ? "raw ZeroMQ echo" : "raw ZeroMQ echo, 64 under way", "trips", -1,
              [&](const auto& setting) { return bench::EchoRate(echo_at_, outstanding, setting); });
      if (!echoed.ok()) return echoed;
      floor_ = static_cast<int>(rows_.size()) - 1;
    }
    const Status pinged =
        Add(one ? "pings" : "pings, 64 under way", "trips", floor_,
            [&](const auto& setting) { return bench::PingRate(access_, outstanding, setting); });
    if (!pinged.ok()) return pinged;
    if (floor_ < 0) floor_ = static_cast<int>(rows_.size()) - 1;
    return Add(one ? "blocks, one at a time" : "blocks, 64 in advance", "blocks", floor_,
               [&](const auto& setting) {
                 return bench::BlockRate(access_, one ? 0 : outstanding, setting);
               });
  }

  template <typename Measurement>
  Status Add(const char* what, const char* unit, int floor, Measurement measure) {
    Row row{what, unit, {}, floor};
    for (const int workers : options_.workers) {
      const Result<double> rate =
          measure(bench::Setting{workers, options_.seconds, [] { return InterruptCount() > 0; }});
      if (!rate.ok()) return rate.error();
      row.per_second.push_back(*rate);
    }
    rows_.push_back(std::move(row));
    return OkStatus();
  }

  const BenchOptions& options_;
  const Access access_;
  const std::string echo_at_;  // empty: the broker is elsewhere, so an echo here says nothing
  std::vector<Row> rows_;
  int floor_ = -1;
};

double RatioOf(const std::vector<Row>& rows, const Row& row, size_t column) {
  const double floor = rows[static_cast<size_t>(row.floor)].per_second[column];
  return floor > 0 ? row.per_second[column] / floor : 0;
}

std::string Table(const std::vector<Row>& rows, const std::vector<int>& workers) {
  std::string text = fmt::format("{:<36}", "per second, and ratio to the floor");
  for (const int n : workers)
    text += fmt::format("{:>19}", fmt::format("{} worker{}", n, n == 1 ? "" : "s"));
  text += "\n";
  for (const Row& row : rows) {
    text += fmt::format("{:<36}", row.what);
    for (size_t i = 0; i < workers.size(); ++i) {
      text += fmt::format("{:>13.0f}", row.per_second[i]);
      text += row.floor < 0 ? "      " : fmt::format("{:>6.2f}", RatioOf(rows, row, i));
    }
    text += "\n";
  }
  return text;
}

nlohmann::ordered_json Json(const BenchOptions& options, const std::string& endpoint,
                            const std::vector<Row>& rows) {
  nlohmann::ordered_json json = {
      {"endpoint", endpoint},       {"cpus", std::thread::hardware_concurrency()},
      {"seconds", options.seconds}, {"durable", !options.state_dir.empty()},
      {"workers", options.workers}, {"rows", nlohmann::ordered_json::array()}};
  for (const Row& row : rows) {
    nlohmann::ordered_json line = {
        {"what", row.what}, {"unit", row.unit}, {"per_second", row.per_second}};
    if (row.floor >= 0) {
      line["floor"] = rows[static_cast<size_t>(row.floor)].what;
      for (size_t i = 0; i < options.workers.size(); ++i) {
        line["ratio"].push_back(RatioOf(rows, row, i));
      }
    }
    json["rows"].push_back(std::move(line));
  }
  return json;
}

int Report(const BenchOptions& options, Bench& bench, const std::string& endpoint) {
  if (!options.json) {
    std::fprintf(stderr, "bellis: measuring the broker at %s, %.1f s each\n", endpoint.c_str(),
                 options.seconds);
  }
  if (const Status measured = bench.Measure(); !measured.ok()) {
    if (InterruptCount() > 0) return kExitSignal + InterruptSignal();
    return Complain(measured.error());
  }
  const std::string text = options.json ? Json(options, endpoint, bench.rows()).dump() + "\n"
                                        : Table(bench.rows(), options.workers);
  std::fputs(text.c_str(), stdout);
  return kExitOk;
}

int MeasureOwnBroker(const BenchOptions& options) {
  LogWarningsTo([](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
  ServerOptions server;
  if (options.tcp) server.endpoint = "tcp://127.0.0.1:0";
  server.state_dir = options.state_dir;
  Result<PrivateDir> dir = PrivateDir::Make();
  if (!dir.ok()) return Complain(dir.error());
  Result<std::unique_ptr<LocalBroker>> broker = LocalBroker::Start(server);
  if (!broker.ok()) return Complain(broker.error());
  const std::string echo = options.tcp ? "tcp://127.0.0.1:*" : "ipc://" + dir->path() + "/echo";
  Bench bench(options, (*broker)->access(), echo);
  const int code = Report(options, bench, (*broker)->endpoint());
  const Status stored = (*broker)->Stop(/*at_once=*/false);
  return stored.ok() || code != kExitOk ? code : Complain(stored.error());
}

int Measure(const BenchOptions& options) {
  CatchInterrupts();
  if (options.broker.endpoint.empty() && options.broker.access_file.empty()) {
    return MeasureOwnBroker(options);
  }
  const Result<Access> access = AccessOf(options.broker);
  if (!access.ok()) return Complain(access.error());
  Bench bench(options, *access, "");
  return Report(options, bench, access->endpoint);
}

}  // namespace

void AddBenchCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app->add_subcommand("bench", "measure how fast a broker hands out blocks here");
  command->footer(kHelp);
  command->add_option("--endpoint", options->broker.endpoint, "a broker that runs");
  command->add_option("--access", options->broker.access_file, "its access file");
  command->add_option("--workers", options->workers, "numbers of workers, as in 1,4,16")
      ->delimiter(',')
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "for each measurement")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  auto* tcp = command->add_flag("--tcp", options->tcp, "the broker of its own listens on tcp");
  auto* state = command->add_option("--state-dir", options->state_dir,
                                    "where the broker of its own keeps the progress");
  for (const char* running : {"--endpoint", "--access"}) {
    tcp->excludes(command->get_option(running));
    state->excludes(command->get_option(running));
  }
  command->add_flag("--json", options->json, "one JSON object on stdout");
  command->callback([options, exit_code] { *exit_code = Measure(*options); });
}

}  // namespace bellis
