// `bellis run` on a terminal.

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "tests/tools/run_fixture.h"
#include "tools/text.h"

namespace bellis {
namespace {

constexpr int kColumns = 50;

struct TerminalEnd {
  int exit_code = -1;
  std::string screen;  // everything that was written to the terminal
};

/// Runs a command on a terminal of kColumns columns, and types `type` when `on` has appeared.
TerminalEnd RunOnTerminal(const std::vector<std::string>& command, const std::string& cwd,
                          const std::string& on = "", const std::string& type = "") {
  int terminal = -1;
  winsize size{24, kColumns, 0, 0};
  const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (pid == 0) {
    ::setenv("TERM", "xterm", 1);
    if (::chdir(cwd.c_str()) != 0) ::_exit(125);
    std::vector<char*> argv;
    for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(124);
  }
  TerminalEnd end;
  std::array<char, 4096> bytes{};
  bool typed = type.empty();
  for (;;) {
    struct pollfd watched {
      terminal, POLLIN, 0
    };
    if (::poll(&watched, 1, 30'000) == 0) {  // no output for 30 s: something is wrong
      ADD_FAILURE() << end.screen;
      ::kill(pid, SIGKILL);
    }
    const ssize_t count = ::read(terminal, bytes.data(), bytes.size());
    if (count <= 0) break;  // EIO: the other side is closed
    end.screen.append(bytes.data(), static_cast<size_t>(count));
    if (typed || end.screen.find(on) == std::string::npos) continue;
    typed = ::write(terminal, type.data(), type.size()) > 0;
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::close(terminal);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  return end;
}

/// The text without control sequences.
std::string Plain(const std::string& screen) {
  std::string text;
  for (size_t i = 0; i < screen.size(); ++i) {
    if (screen[i] == '\x1b') {
      while (i < screen.size() && !isalpha(screen[i])) ++i;
    } else if (screen[i] != '\r') {
      text += screen[i];
    }
  }
  return text;
}

class TerminalTest : public RunTest {};

TEST_F(TerminalTest, BarsAreRedrawnInPlaceAndFit) {
  WriteTask("smooth", 10, "sleep 0.05");
  WriteTask("segment", 10, "true", {.upstream = "smooth"});
  const TerminalEnd end = RunOnTerminal(RunCommand(), dir());
  EXPECT_EQ(end.exit_code, 0) << end.screen;
  EXPECT_NE(end.screen.find("\x1b[2A\r\x1b[2K"), std::string::npos) << "up two, erase the line";
  std::istringstream lines(Plain(end.screen));
  std::string line;
  int bars = 0;
  while (std::getline(lines, line) && line != "Execution Summary") {
    EXPECT_LT(DisplayWidth(line), kColumns) << line;
    bars += line.find('%') != std::string::npos;
  }
  EXPECT_GE(bars, 4);
  EXPECT_NE(Plain(end.screen).find("100% 10/10"), std::string::npos);
}

TEST_F(TerminalTest, FailuresArePrintedAboveTheBars) {
  WriteTask("smooth", 2, "echo bad pixel >&2; exit 1", {.max_retries = 0});
  const TerminalEnd end = RunOnTerminal(RunCommand(), dir());
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_NE(end.screen.find("bellis: block smooth/0 failed in worker"), std::string::npos)
      << end.screen;
}

TEST_F(TerminalTest, CtrlCCancels) {
  WriteTask("smooth", 2, "exec sleep 1000");
  const TerminalEnd end = RunOnTerminal(RunCommand(), dir(), "running 1", "\x03");
  EXPECT_EQ(end.exit_code, 130);
  EXPECT_NE(end.screen.find("Job cancelled"), std::string::npos) << end.screen;
}

}  // namespace
}  // namespace bellis
