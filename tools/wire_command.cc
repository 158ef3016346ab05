// bellis wire: shows what peers and a broker say to one another.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "tools/block_command.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupt.h"
#include "tools/private_dir.h"
#include "tools/wire_proxy.h"

namespace bellis {
namespace {

constexpr const char* kHelp =
    "  bellis wire [OPTIONS] [-- PROGRAM [ARGUMENTS...]]\n"
    "\n"
    "Listens at an endpoint of its own, and passes each message on, unchanged, over one "
    "connection\n"
    "to the broker for each peer. A line shows the time, the peer's number and name, the "
    "direction\n"
    "(-> to the broker), the kind and the fields. Bytes that are no message are shown in hex, "
    "with\n"
    "what is wrong. Tokens are not shown.\n"
    "\n"
    "PROGRAM finds the endpoint in BELLIS_ENDPOINT. In a pipeline file:\n"
    "\n"
    "  command = [\"bellis\", \"wire\", \"--\", \"./worker\"]\n"
    "\n"
    "shows the conversation of that worker in its log (.err). Without PROGRAM it goes on until\n"
    "Ctrl-C. Between peers and `bellis wire` nothing is encrypted, so they need no keys; between "
    "it\n"
    "and the broker the keys are those of --access or the environment.\n"
    "\n"
    "Exit codes of bellis wire: that of PROGRAM (128 and the signal that ended it); 126 PROGRAM\n"
    "cannot be executed, 127 it is not there.";

struct WireOptions {
  BrokerAddress broker;
  std::string listen;
  std::string output;
  bool json = false;
  bool full = false;
  std::vector<std::string> program;
};

/// The program whose conversation is shown.
class Child {
 public:
  /// Starts it. `path` is what FindProgram found.
  static Result<Child> Start(const std::string& path, const std::vector<std::string>& program) {
    std::vector<char*> argv;
    argv.reserve(program.size() + 1);
    for (const std::string& word : program) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    const InterruptsBlocked blocked;
    const pid_t pid = ::fork();
    if (pid < 0) return Error{ErrorCode::kIo, std::string("fork: ") + std::strerror(errno)};
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() == parent) {
        InterruptsEndThisProcess();
        ::execv(path.c_str(), argv.data());
      }
      ::_exit(kExitNotExecutable);
    }
    return Child(pid);
  }

  /// Whether it has ended. Passes on a signal that this process got, once: Ctrl-C of a terminal
  /// reaches both by itself.
  bool HasEnded() {
    if (InterruptCount() > 0 && !is_told_) {
      is_told_ = true;
      if (InterruptSignal() != SIGINT) ::kill(pid_, InterruptSignal());
    }
    int status = 0;
    if (!exit_code_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_code_ = WIFSIGNALED(status) ? kExitSignal + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return exit_code_.has_value();
  }

  int exit_code() const { return exit_code_.value_or(kExitSystem); }

 private:
  explicit Child(pid_t pid) : pid_(pid) {}

  pid_t pid_;
  bool is_told_ = false;
  std::optional<int> exit_code_;
};

/// Sets the program's environment: the proxy's endpoint, and no keys.
void SetEnvironment(const std::string& endpoint, const Access& broker) {
  for (const char* name :
       {"BELLIS_ACCESS", "BELLIS_SERVER_KEY", "BELLIS_PUBLIC_KEY", "BELLIS_SECRET_KEY"}) {
    ::unsetenv(name);
  }
  ::setenv("BELLIS_ENDPOINT", endpoint.c_str(), 1);
  if (!broker.token.empty()) ::setenv("BELLIS_TOKEN", broker.token.c_str(), 1);
}

int Converse(WireProxy& proxy, const WireOptions& options, const Access& broker) {
  if (options.program.empty()) {
    std::fprintf(stderr, "bellis: BELLIS_ENDPOINT='%s' leads to %s\n", proxy.endpoint().c_str(),
                 broker.endpoint.c_str());
    const Status ran = proxy.Run([] { return InterruptCount() > 0; });
    return ran.ok() ? kExitSignal + InterruptSignal() : Complain(ran.error());
  }
  const Result<std::string> path = FindProgram(options.program[0]);
  if (!path.ok()) {
    Complain(path.error());
    return ExitCodeForProgram(path.error());
  }
  SetEnvironment(proxy.endpoint(), broker);
  Result<Child> child = Child::Start(*path, options.program);
  if (!child.ok()) return Complain(child.error());
  const Status ran = proxy.Run([&child] { return child->HasEnded(); });
  return ran.ok() ? child->exit_code() : Complain(ran.error());
}

int Wire(const WireOptions& options) {
  const Result<Access> broker = AccessOf(options.broker);
  if (!broker.ok()) return Complain(broker.error());
  CatchInterrupts();
  std::optional<PrivateDir> dir;
  std::string listen = options.listen;
  if (listen.empty()) {
    Result<PrivateDir> made = PrivateDir::Make();
    if (!made.ok()) return Complain(made.error());
    dir.emplace(std::move(made).value());
    listen = "ipc://" + dir->path() + "/wire.sock";
  }
  TraceOptions trace{options.json, options.full, options.program.empty() ? stdout : stderr};
  std::unique_ptr<FILE, int (*)(FILE*)> file(nullptr, &std::fclose);
  if (!options.output.empty()) {
    file.reset(std::fopen(options.output.c_str(), "ae"));
    if (file == nullptr) {
      return Complain({ErrorCode::kIo, options.output + ": " + std::strerror(errno)});
    }
    trace.out = file.get();
  }
  Result<std::unique_ptr<WireProxy>> proxy = WireProxy::Open(listen, *broker, trace);
  if (!proxy.ok()) return Complain(proxy.error());
  return Converse(**proxy, options, *broker);
}

}  // namespace

void AddWireCommand(CLI::App* app, const std::vector<std::string>& program, int* exit_code) {
  auto options = std::make_shared<WireOptions>();
  CLI::App* command =
      app->add_subcommand("wire", "show the messages between workers or clients and a broker");
  command->footer(kHelp);
  command->add_option("--listen", options->listen,
                      "where peers connect: ipc://PATH, or tcp://HOST:PORT, PORT 0 for a free one "
                      "(default: a socket that only you can reach)");
  command->add_flag("--json", options->json, "one JSON object for each message");
  command->add_flag("--full", options->full, "whole lines (default: 200 columns)");
  command->add_option("--output", options->output,
                      "a file to append the lines to (default: stdout; with PROGRAM, stderr)");
  AddBrokerOptions(command, &options->broker);
  command->callback([options, program, exit_code] {
    options->program = program;
    *exit_code = Wire(*options);
  });
}

}  // namespace bellis
