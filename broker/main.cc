// bellis-broker: a broker that many tools and workers share, with a launcher for local worker
// processes. `bellis run` does not need it: it starts a broker of its own.

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "bellis/version.h"
#include "broker/launcher/launcher_keeper.h"
#include "broker/launcher/log_format.h"
#include "broker/log_file.h"
#include "broker/net/listen_address.h"
#include "broker/server.h"
#include "broker/spare_memory.h"
#include "common/endpoint.h"
#include "common/threads.h"

namespace bellis {
namespace {

enum ExitCode { kOk = 0, kJobsFailed = 1, kBadUsage = 2, kSystem = 3 };

struct BrokerOptions {
  std::string endpoint = DefaultEndpoint();
  std::string advertise;
  std::string access_file;
  std::string key_file;
  bool insecure = false;
  bool launcher = true;
  std::string launcher_program;
  std::string state_dir;
  std::string durability = "full";
  uint32_t lease_ms = 20'000;
  double reconnect_window = 30;
  std::string resources;
  uint64_t job_memory_max = 0;
  std::string log_level = "info";
  std::string log_file;
};

constexpr char kInsecure[] =
    "--insecure: nothing is encrypted; whoever reads the network's traffic can read the tokens "
    "that peers show, and run code here with them";

Server* running_server = nullptr;
volatile sig_atomic_t stop_asked = 0;  // a signal came before the server exists

void OnSignal(int signal) {
  if (signal == SIGHUP) {
    ReopenLogFiles();
    return;
  }
  stop_asked = 1;
  if (running_server != nullptr) running_server->RequestStop();
}

void AddConnectionOptions(CLI::App* app, BrokerOptions* options) {
  app->add_option("--endpoint", options->endpoint,
                  "where to listen: ipc://PATH in a directory of mode 0700, or tcp://HOST:PORT "
                  "(HOST: a name or address of this machine; PORT 0: a free one)")
      ->envname("BELLIS_ENDPOINT")
      ->capture_default_str();
  app->add_option("--advertise", options->advertise,
                  "the host that workers are told to connect to. Default: the endpoint's; where "
                  "that is 0.0.0.0 or [::], an address of this machine")
      ->envname("BELLIS_ADVERTISE");
  app->add_option(
      "--access", options->access_file,
      "where to put the access file: what the owner's tools and workers need to connect "
      "(--access, BELLIS_ACCESS). Beside it go FILE.launcher and FILE.watcher, which "
      "permit less. Default for tcp: " +
          DefaultRuntimeDir() + "/access; for ipc: none, and nothing is asked for");
  app->add_option("--key-file", options->key_file,
                  "the secret that all keys are made from; created if it is not there. Default: "
                  "server_key in the state directory, else beside the access file");
  app->add_flag(
      "--insecure", options->insecure,
      "tcp without encryption: whoever can read the network's traffic can read the tokens "
      "that peers show, and run code here with them");
}

void AddLauncherOptions(CLI::App* app, BrokerOptions* options) {
  app->add_flag("--launcher,!--no-launcher", options->launcher,
                "start local workers (default: yes)");
  app->add_option("--launcher-program", options->launcher_program,
                  "instead of the bellis-launcher beside this program");
}

void AddProgressOptions(CLI::App* app, BrokerOptions* options) {
  app->add_option("--state-dir", options->state_dir,
                  "where progress is kept for a restarted broker, on a local disk, for this broker "
                  "alone. Default: nothing is kept")
      ->envname("BELLIS_STATE_DIR");
  app->add_option("--durability", options->durability,
                  "full: progress survives a power cut; os: the end of the broker; off: nothing is "
                  "kept")
      ->check(CLI::IsMember({"full", "os", "off"}))
      ->capture_default_str();
}

void AddLimitOptions(CLI::App* app, BrokerOptions* options) {
  app->add_option("--lease-ms", options->lease_ms,
                  "a worker that is silent for this long loses its blocks")
      ->check(CLI::Range(500, 86'400'000))
      ->capture_default_str();
  app->add_option("--reconnect-window", options->reconnect_window,
                  "seconds in which launched workers, and those of tasks with unsafe_leases, must "
                  "come back to a restarted broker")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  app->add_option("--resources", options->resources,
                  "what all started workers may take together, as in gpu=2,cpu=8; a task says what "
                  "each of its workers takes. Default: nothing is counted");
  app->add_option("--job-memory-max", options->job_memory_max,
                  "memory that the schedule of one job may take in the broker, as in 4GB; a job "
                  "that would take more is refused (bellis plan says how much one takes). Default: "
                  "half of the memory that this process may have")
      ->transform(CLI::AsSizeValue(true))
      ->envname("BELLIS_JOB_MEMORY_MAX");
}

void AddLogOptions(CLI::App* app, BrokerOptions* options) {
  app->add_option("--log-level", options->log_level, "debug, info, warn, error, off")
      ->envname("BELLIS_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  app->add_option("--log-file", options->log_file, "instead of stderr; HUP reopens it")
      ->envname("BELLIS_LOG_FILE");
}

/// In the order in which --help lists them.
void AddOptions(CLI::App* app, BrokerOptions* options) {
  app->set_version_flag("--version", "bellis-broker " BELLIS_VERSION);
  app->set_config("--config", "", "options from a TOML file, by their long names");
  AddConnectionOptions(app, options);
  AddLauncherOptions(app, options);
  AddProgressOptions(app, options);
  AddLimitOptions(app, options);
  AddLogOptions(app, options);
}

Status SetUpLog(const BrokerOptions& options) {
  spdlog::sink_ptr sink;
  if (options.log_file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  } else {
    auto file = LogFileSink(options.log_file);
    if (!file.ok()) return Error{ErrorCode::kIo, "--log-file: " + file.error().message};
    sink = std::move(*file);
  }
  auto logger = std::make_shared<spdlog::logger>("broker", sink);
  logger->set_level(spdlog::level::from_str(options.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
  return OkStatus();
}

/// TERM and INT end the broker. HUP, which logrotate and a closing terminal send, reopens the log.
/// PIPE is ignored: a broker whose output nobody reads any more goes on.
void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

/// All options of the server, except the resources and the keys.
ServerOptions ServerOptionsOf(const BrokerOptions& options) {
  ServerOptions server;
  server.endpoint = options.endpoint;
  server.advertise = options.advertise;
  server.insecure = options.insecure;
  server.job_memory_max = options.job_memory_max;
  if (options.durability != "off") server.state_dir = options.state_dir;
  server.sync = options.durability == "full";
  server.lease = Duration::Millis(options.lease_ms);
  server.reconnect_window = Duration::Seconds(options.reconnect_window);
  return server;
}

/// Sets the paths of the access file and the key file.
Status PlaceKeys(const BrokerOptions& options, ServerOptions* server) {
  server->access_file = options.access_file;
  server->key_file = options.key_file;
  const bool tcp = options.endpoint.rfind("tcp://", 0) == 0;
  if (server->access_file.empty() && tcp) {
    Status made = EnsurePrivateDir(DefaultRuntimeDir());
    if (!made.ok()) return made;
    server->access_file = DefaultRuntimeDir() + "/access";
  }
  if (server->access_file.empty() || !server->key_file.empty()) return OkStatus();
  if (server->state_dir.empty()) {
    const auto folder = std::filesystem::path(server->access_file).parent_path();
    server->key_file = (folder / "server_key").string();
    return OkStatus();
  }
  server->key_file = server->state_dir + "/server_key";
  return EnsurePrivateDir(server->state_dir);
}

void Announce(const BrokerOptions& options, const Server& server) {
  const std::string& endpoint = server.endpoint();
  spdlog::info("listening at {}", server.bound());
  if (endpoint != server.bound()) spdlog::info("workers are told to connect to {}", endpoint);
  const std::string loopback = LoopbackWarning(options.endpoint, server.bound());
  if (!loopback.empty()) spdlog::warn("{}", loopback);
  if (options.insecure && endpoint.starts_with("tcp://")) {
    spdlog::warn("{}", kInsecure);
    // The user may not look into the log.
    if (!options.log_file.empty()) fmt::print(stderr, "bellis-broker: {}\n", kInsecure);
  }
  fmt::print("{}\n", endpoint);
  std::fflush(stdout);
}

/// Prints a line for each job; returns the exit code for all of them.
int Summarize(const std::vector<JobStatus>& jobs) {
  int exit_code = kOk;
  for (const JobStatus& job : jobs) {
    BlockCounts sum;
    for (const TaskStatus& task : job.tasks) {
      sum.blocks += task.counts.blocks;
      sum.completed += task.counts.completed;
      sum.failed += task.counts.failed;
      sum.orphaned += task.counts.orphaned;
    }
    fmt::print("job {}: {}{}{}; {} blocks: {} completed, {} failed, {} orphaned\n", job.job,
               JobStateName(job.state), job.reason.empty() ? "" : ": ", job.reason, sum.blocks,
               sum.completed, sum.failed, sum.orphaned);
    if (job.state != JobState::kCompleted) exit_code = kJobsFailed;
  }
  return exit_code;
}

int Fail(const Error& error) {
  fmt::print(stderr, "bellis-broker: {}\n", error.message);
  const bool asked_wrongly =
      error.code == ErrorCode::kUnauthorized || error.code == ErrorCode::kInvalidSpec;
  return asked_wrongly ? kBadUsage : kSystem;
}

int Main(int argc, char** argv) {
  BrokerOptions options;
  CLI::App app{
      "The Bellis broker: schedules the blocks of submitted jobs onto workers.\n"
      "Exit code: 0 every job completed, 1 some did not, 2 bad usage, 3 system trouble."};
  AddOptions(&app, &options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kBadUsage;
  }
  CatchSignals();
  if (const Status log = SetUpLog(options); !log.ok()) return Fail(log.error());
  if (options.durability == "off" && !options.state_dir.empty() &&
      std::filesystem::exists(options.state_dir + "/progress.sqlite")) {
    fmt::print(stderr,
               "bellis-broker: --durability off neither reads nor keeps progress, and {} holds "
               "some: leave out one of the two options\n",
               options.state_dir);
    return kBadUsage;
  }
  const auto resources = ParseResources(options.resources);
  if (!resources.ok()) {
    fmt::print(stderr, "bellis-broker: --{}\n", resources.error().message);
    return kBadUsage;
  }
  ServerOptions server_options = ServerOptionsOf(options);
  server_options.resources = *resources;
  if (const Status placed = PlaceKeys(options, &server_options); !placed.ok()) {
    return Fail(placed.error());
  }
  // The threads of libzmq, the journal, the schedule builder and the launcher keeper.
  if (const Status room = CheckThreads(5); !room.ok()) return Fail(room.error());
  KeepSpareMemory();
  auto server = Server::Bind(server_options);
  if (!server.ok()) return Fail(server.error());
  running_server = server->get();
  if (stop_asked) (*server)->RequestStop();
  std::optional<LauncherKeeper> launcher;
  if (options.launcher) {
    LauncherOptions launch;
    launch.access = (*server)->AccessOf(AccessRole::kLauncher);
    launch.executable = options.launcher_program;
    launch.log_level = options.log_level;
    if (!server_options.state_dir.empty()) launch.linger = server_options.reconnect_window;
    auto kept = LauncherKeeper::Start(launch);
    if (!kept.ok()) return Fail(kept.error());
    launcher.emplace(std::move(*kept));
  }
  Announce(options, **server);
  const Status stored = (*server)->Run();
  launcher.reset();
  running_server = nullptr;
  const int exit_code = Summarize((*server)->Jobs());
  return stored.ok() ? exit_code : Fail(stored.error());
}

}  // namespace
}  // namespace bellis

int main(int argc, char** argv) { return bellis::Main(argc, argv); }
