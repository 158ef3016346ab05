#include "broker/launcher/child_process.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/broker/launcher/process_testing.h"

namespace bellis {
namespace {

namespace fs = std::filesystem;

class ChildProcess : public ProcessTest {
 protected:
  ChildCommand Command(std::vector<std::string> argv, const Environment& added = {}) {
    ChildCommand command;
    command.argv = std::move(argv);
    command.env = EnvironmentWith(added).value();
    return command;
  }

  /// The child's output on stdout until its end.
  std::string Output(ChildCommand command) {
    const std::string path = dir() + "/output";
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    command.stdout_fd = fd;
    const Result<pid_t> pid = StartChild(command);
    close(fd);
    if (!pid.ok()) return pid.error().message;
    waitpid(*pid, nullptr, 0);
    return ReadFile(path);
  }

  std::string WriteScript(const std::string& name, const std::string& text, mode_t mode) {
    const std::string path = dir() + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  std::string ErrorOf(const ChildCommand& command) {
    const Result<pid_t> pid = StartChild(command);
    if (pid.ok()) return "";
    // A failed start leaves no child behind, not even a zombie.
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    return pid.error().message;
  }
};

TEST_F(ChildProcess, RunsInItsOwnSessionWithItsEnvironmentAndDirectory) {
  ChildCommand command = Command({"sh", "-c", "echo $GREETING; pwd; cat"}, {{"GREETING", "hello"}});
  command.cwd = dir();
  EXPECT_EQ(Output(command), "hello\n" + dir() + "\n");  // stdin is /dev/null: cat ends

  const Result<pid_t> pid = StartChild(Command({"sleep", "1000"}));
  ASSERT_TRUE(pid.ok());
  EXPECT_EQ(getsid(*pid), *pid);
  EXPECT_EQ(getpgid(*pid), *pid);
}

TEST_F(ChildProcess, PassesArgumentsUnchanged) {
  EXPECT_EQ(Output(Command({"printf", "%s|", "a b", "", "$HOME", "'\"*", "é"})),
            "a b||$HOME|'\"*|é|");
}

TEST_F(ChildProcess, AddedVariablesReplaceOurs) {
  setenv("BELLIS_TEST_COLOUR", "red", 1);
  EXPECT_EQ(Output(Command({"sh", "-c", "env | grep ^BELLIS_TEST_COLOUR"},
                           {{"BELLIS_TEST_COLOUR", "blue=green"}})),
            "BELLIS_TEST_COLOUR=blue=green\n");
  unsetenv("BELLIS_TEST_COLOUR");
}

TEST_F(ChildProcess, InheritsOnlyItsOwnDescriptors) {
  const int open_on_exec = open("/dev/zero", O_RDONLY);
  const int high = fcntl(open_on_exec, F_DUPFD, 200);
  const auto descriptors = [](pid_t pid) {
    std::map<std::string, std::string> found;
    for (const auto& fd : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
      std::error_code closed_meanwhile;
      found[fd.path().filename()] = fs::read_symlink(fd.path(), closed_meanwhile);
    }
    return found;
  };
  ChildCommand command = Command({"sleep", "1000"});
  std::map<std::string, std::string> expected = {
      {"0", "/dev/null"}, {"1", "/dev/null"}, {"2", "/dev/null"}};
  // The loader opens libraries for a moment, so the check may hold only after a while.
  const auto has_expected = [&, pid = StartChild(command).value()] {
    return descriptors(pid) == expected;
  };
  EXPECT_TRUE(Eventually(has_expected));
  command.fd3 = high;
  expected["3"] = "/dev/zero";
  const auto has_fd3 = [&, pid = StartChild(command).value()] {
    return descriptors(pid) == expected;
  };
  EXPECT_TRUE(Eventually(has_fd3));
  close(open_on_exec);
  close(high);
}

TEST_F(ChildProcess, StartsWithDefaultSignals) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, &before);
  const std::string status = Output(Command({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}));
  sigprocmask(SIG_SETMASK, &before, nullptr);
  signal(SIGPIPE, SIG_DFL);
  // The C library keeps signals 32 and 33 to itself, and no program can reset them through it. So
  // the child inherits their state from the shell that runs this test. No program minds.
  constexpr uint64_t kOwnedByTheCLibrary = uint64_t{1} << 31 | uint64_t{1} << 32;
  uint64_t blocked = ~uint64_t{0}, ignored = ~uint64_t{0};
  ASSERT_EQ(sscanf(status.c_str(), "SigBlk: %" SCNx64 " SigIgn: %" SCNx64, &blocked, &ignored), 2)
      << status;
  EXPECT_EQ(blocked, 0U) << status;
  EXPECT_EQ(ignored & ~kOwnedByTheCLibrary, 0U) << status;
}

TEST_F(ChildProcess, LooksInThePathOfTheGivenEnvironment) {
  WriteScript("greet", "#!/bin/sh\necho from $0\n", 0755);
  EXPECT_EQ(Output(Command({"greet"}, {{"PATH", "/nowhere:" + dir() + ":/bin"}})),
            "from " + dir() + "/greet\n");
  // An empty entry of PATH is the working directory, as in a shell.
  ChildCommand command = Command({"greet"}, {{"PATH", ":/bin"}});
  command.cwd = dir();
  EXPECT_EQ(Output(command), "from greet\n");
}

TEST_F(ChildProcess, SaysWhereItLookedForAMissingProgram) {
  EXPECT_EQ(ErrorOf(Command({"no-such-program"}, {{"PATH", "/usr/bin:/bin"}})),
            "cannot start \"no-such-program\": No such file or directory "
            "(looked in PATH=/usr/bin:/bin)");
  EXPECT_EQ(ErrorOf(Command({"/no/such/program"})),
            "cannot start \"/no/such/program\": No such file or directory");
}

TEST_F(ChildProcess, SaysWhyAFileCannotBeRun) {
  const std::string no_permission = WriteScript("plain", "text", 0644);
  EXPECT_EQ(ErrorOf(Command({no_permission})),
            "cannot start \"" + no_permission + "\": Permission denied");
  const std::string no_interpreter = WriteScript("script", "#!/no/such/shell\n", 0755);
  EXPECT_EQ(ErrorOf(Command({no_interpreter})),
            "cannot start \"" + no_interpreter +
                "\": No such file or directory (the file is there; the interpreter of its \"#!\" "
                "line, or its loader, is not)");
  const std::string no_format = WriteScript("text", "just text", 0755);
  EXPECT_EQ(ErrorOf(Command({no_format})),
            "cannot start \"" + no_format +
                "\": Exec format error (neither a program for this machine nor a script with a "
                "\"#!\" line)");
}

TEST_F(ChildProcess, NamesAMissingWorkingDirectory) {
  ChildCommand command = Command({"true"});
  command.cwd = "/no/such/place";
  EXPECT_EQ(ErrorOf(command),
            "cannot start \"true\": working directory \"/no/such/place\": No such file or "
            "directory");
}

TEST_F(ChildProcess, RefusesAnInvalidCommand) {
  EXPECT_EQ(ErrorOf(Command({})), "cannot start a command that is empty");
  EXPECT_EQ(ErrorOf(Command({""})), "cannot start a command that is empty");
  EXPECT_NE(ErrorOf(Command({"true", std::string("a\0b", 3)})).find("NUL"), std::string::npos);
  for (const std::string& name : {std::string(""), std::string("A=B"), std::string("A\0B", 3)}) {
    EXPECT_FALSE(EnvironmentWith({{name, "value"}}).ok());
  }
}

TEST_F(ChildProcess, ReportsArgumentsThatAreTooLong) {
  EXPECT_EQ(ErrorOf(Command({"true", std::string(4 << 20, 'x')})),
            "cannot start \"true\": Argument list too long");
}

TEST_F(ChildProcess, DiesWithTheThreadThatStartedIt) {
  pid_t pid = 0;
  std::thread starter([&] { pid = StartChild(Command({"sleep", "1000"})).value(); });
  starter.join();
  EXPECT_TRUE(Eventually([&] { return !IsAlive(pid); }));
}

}  // namespace
}  // namespace bellis
