// When the parent or the launcher dies, the workers die, too.

#include "broker/launcher/launcher_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/launcher/child_process.h"
#include "broker/launcher/local_launcher.h"
#include "tests/broker/launcher/fake_broker.h"
#include "tests/broker/launcher/process_testing.h"

namespace bellis {
namespace {

using std::chrono::milliseconds;

class LauncherProcessTest : public ProcessTest {
 protected:
  LauncherOptions Options() {
    LauncherOptions options;
    options.access.endpoint = "ipc://" + dir() + "/socket";
    options.executable = BELLIS_BIN_DIR "/bellis-launcher";
    options.log_file = dir() + "/launcher.log";
    return options;
  }

  /// A process that starts a launcher and then only waits for its end.
  pid_t ForkParent() {
    const pid_t parent = fork();
    if (parent != 0) return parent;
    Result<LauncherProcess> launcher = LauncherProcess::Start(Options());
    while (launcher.ok()) pause();
    _exit(1);
  }

  /// Plays the broker: makes the launcher start workers that ignore TERM and have grandchildren, in
  /// and out of their process group.
  void LaunchStubbornWorkers(FakeBroker& broker, uint64_t count) {
    const std::string stay = "trap \"\" TERM; while :; do sleep 1; done";
    for (uint64_t id = 1; id <= count; ++id) {
      LaunchMsg launch;
      launch.worker = WorkerId(id);
      launch.task = "task";
      launch.log_dir = dir();
      launch.command = {"/bin/sh", "-c",
                        fmt::format("sh -c '{0}' & setsid sh -c '{0}' & echo ready; {0}", stay)};
      broker.Send(launch);
    }
    for (uint64_t i = 0; i < count; ++i) broker.Expect<LaunchedMsg>();
    for (uint64_t id = 1; id <= count; ++id) {
      EXPECT_TRUE(Eventually([&] {
        return AfterHeading(ReadFile(fmt::format("{}/task/worker_{}.out", dir(), id))) == "ready\n";
      }));
    }
  }
};

TEST_F(LauncherProcessTest, LauncherAndWorkersEndWithAKilledParent) {
  const pid_t parent = ForkParent();
  FakeBroker broker(Options().access.endpoint);
  const pid_t launcher = static_cast<pid_t>(broker.Welcome().pid);
  EXPECT_NE(getpgid(launcher), getpgid(parent)) << "a kill of our group must not reach it";
  LaunchStubbornWorkers(broker, 3);
  EXPECT_GE(Marked().size(), 10u);

  const auto begin = std::chrono::steady_clock::now();
  kill(parent, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return Marked().empty(); }, milliseconds(2000)));
  std::printf("all gone %d ms after the parent\n",
              static_cast<int>(
                  std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin)
                      .count()));
  int status = 0;
  EXPECT_TRUE(Eventually([&] { return waitpid(launcher, &status, WNOHANG) == launcher; }));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(LauncherEnd::kParentGone));
}

TEST_F(LauncherProcessTest, AKilledParentIsNoticedThoughItsForkHoldsThePipe) {
  const pid_t parent = fork();
  if (parent == 0) {
    Result<LauncherProcess> launcher = LauncherProcess::Start(Options());
    fork();  // as Python's multiprocessing does: the child has the write end, too, and lives on
    while (launcher.ok()) pause();
    _exit(1);
  }
  FakeBroker broker(Options().access.endpoint);
  const pid_t launcher = static_cast<pid_t>(broker.Welcome().pid);
  kill(parent, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return !IsAlive(launcher); }, milliseconds(2000)));
}

TEST_F(LauncherProcessTest, WorkersEndWithAKilledLauncher) {
  LauncherProcess launcher = LauncherProcess::Start(Options()).value();
  FakeBroker broker(Options().access.endpoint);
  broker.Welcome();
  LaunchStubbornWorkers(broker, 3);
  kill(launcher.pid(), SIGKILL);
  EXPECT_TRUE(launcher.Wait(Duration::Seconds(30)));
  EXPECT_EQ(launcher.exit_code(), 128 + SIGKILL);
  EXPECT_TRUE(Marked().empty()) << "not even grandchildren in sessions of their own are left";
}

TEST_F(LauncherProcessTest, TheDestructorEndsTheLauncherAndItsWorkers) {
  auto launcher = std::make_unique<LauncherProcess>(LauncherProcess::Start(Options()).value());
  FakeBroker broker(Options().access.endpoint);
  broker.Welcome();
  LaunchStubbornWorkers(broker, 1);
  launcher.reset();
  EXPECT_TRUE(Marked().empty());
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "reaped";
}

TEST_F(LauncherProcessTest, TheDestructorKillsALauncherThatHangs) {
  auto launcher = std::make_unique<LauncherProcess>(LauncherProcess::Start(Options()).value());
  kill(launcher->pid(), SIGSTOP);
  launcher.reset();
  EXPECT_TRUE(Marked().empty());
}

TEST_F(LauncherProcessTest, MovesWithoutEndingTheLauncher) {
  LauncherProcess first = LauncherProcess::Start(Options()).value();
  const pid_t pid = first.pid();
  LauncherProcess second = std::move(first);
  { const LauncherProcess moved_from = std::move(first); }
  EXPECT_TRUE(IsAlive(pid));
  EXPECT_FALSE(second.Wait(Duration()));
  EXPECT_EQ(second.exit_code(), std::nullopt);
  second = LauncherProcess::Start(Options()).value();  // ends the launcher that it held
  EXPECT_FALSE(IsAlive(pid));
  EXPECT_TRUE(IsAlive(second.pid()));
}

TEST_F(LauncherProcessTest, StartsFromAProcessWithThreadsAndOpenFiles) {
  const int open_on_exec = open(dir().c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_GE(open_on_exec, 3);
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<LauncherProcess>> launchers(4);
  for (auto& launcher : launchers) {
    threads.emplace_back([&] {
      launcher = std::make_unique<LauncherProcess>(LauncherProcess::Start(Options()).value());
    });
  }
  for (std::thread& thread : threads) thread.join();
  FakeBroker broker(Options().access.endpoint);
  for (int i = 0; i < 4; ++i) {
    const pid_t pid = static_cast<pid_t>(broker.Welcome().pid);  // outlives the thread that made it
    EXPECT_EQ(getsid(pid), pid);
    for (const auto& fd : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
      std::error_code ignored;
      EXPECT_NE(std::filesystem::read_symlink(fd.path(), ignored), dir());
    }
  }
  // Each launcher ends by itself, since none holds the write end of another's pipe.
  for (auto& launcher : launchers) {
    const auto begin = std::chrono::steady_clock::now();
    launcher.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  }
  EXPECT_TRUE(Marked().empty());
  close(open_on_exec);
}

TEST_F(LauncherProcessTest, FindsTheExecutableBesideThisProgram) {
  LauncherOptions options = Options();
  options.executable = "";
  LauncherProcess launcher = LauncherProcess::Start(options).value();
  EXPECT_EQ(std::filesystem::read_symlink(fmt::format("/proc/{}/exe", launcher.pid())),
            std::filesystem::canonical(BELLIS_BIN_DIR "/bellis-launcher"));
}

TEST_F(LauncherProcessTest, SaysWhyItCannotStart) {
  LauncherOptions options = Options();
  options.executable = "/no/such/launcher";
  EXPECT_EQ(LauncherProcess::Start(options).error().message,
            "cannot start \"/no/such/launcher\": No such file or directory");
  options = Options();
  options.log_file = "/no/such/dir/log";
  EXPECT_EQ(LauncherProcess::Start(options).error().message,
            "launcher's log file /no/such/dir/log: no: No such file or directory");
}

TEST_F(LauncherProcessTest, AnUnusableEndpointEndsTheLauncher) {
  LauncherOptions options = Options();
  options.access.endpoint = "nonsense://x";
  LauncherProcess launcher = LauncherProcess::Start(options).value();
  EXPECT_TRUE(launcher.Wait(Duration::Seconds(30)));
  EXPECT_EQ(launcher.exit_code(), 1);
  EXPECT_NE(ReadFile(options.log_file).find("endpoint is \"nonsense://x\""), std::string::npos);
}

TEST_F(LauncherProcessTest, UsageErrorsHaveTheirOwnExitCode) {
  const std::string quiet = " > " + dir() + "/out 2>&1";
  const auto exit_code = [&](const std::string& arguments) {
    return WEXITSTATUS(
        std::system((BELLIS_BIN_DIR "/bellis-launcher " + arguments + quiet).c_str()));
  };
  EXPECT_EQ(exit_code("--help"), 0);
  EXPECT_NE(ReadFile(dir() + "/out").find("Exit codes"), std::string::npos);
  EXPECT_EQ(exit_code(""), 2);
  EXPECT_EQ(exit_code("--endpoint ipc:///tmp/x --parent-fd -3"), 2);
  EXPECT_EQ(exit_code("--endpoint ipc:///tmp/x --parent-fd 77"), 1);
  EXPECT_EQ(exit_code("--endpoint ipc:///tmp/x --access /no/such/file"), 1);
}

TEST_F(LauncherProcessTest, ReadsWhereToGoAndWhatToShowFromAnAccessFile) {
  FakeBroker broker(Options().access.endpoint);
  Access access;
  access.endpoint = Options().access.endpoint;
  access.token = "open sesame";
  ASSERT_TRUE(WriteAccessFile(dir() + "/access", access).ok());
  ChildCommand command;
  command.argv = {BELLIS_BIN_DIR "/bellis-launcher", "--access", dir() + "/access"};
  command.env = EnvironmentWith({}).value();
  ASSERT_TRUE(StartChild(command).ok());
  EXPECT_EQ(broker.Welcome().token, "open sesame");
}

}  // namespace
}  // namespace bellis
