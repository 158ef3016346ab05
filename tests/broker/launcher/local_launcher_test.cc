// The real bellis-launcher, with a ROUTER socket of the test as its broker.

#include "broker/launcher/local_launcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "broker/launcher/launcher_process.h"
#include "broker/launcher/worker_log.h"
#include "tests/broker/launcher/fake_broker.h"
#include "tests/broker/launcher/process_testing.h"

namespace bellis {
namespace {

class LocalLauncher : public ProcessTest {
 protected:
  LocalLauncher() {
    endpoint_ = "ipc://" + dir() + "/socket";
    broker_ = std::make_unique<FakeBroker>(endpoint_);
  }
  ~LocalLauncher() override { launcher_.reset(); }

  void StartLauncher(const std::string& token = "") {
    LauncherOptions options;
    options.access.endpoint = endpoint_;
    options.access.token = token;
    options.executable = BELLIS_BIN_DIR "/bellis-launcher";
    options.log_file = dir() + "/launcher.log";
    Result<LauncherProcess> started = LauncherProcess::Start(options);
    ASSERT_TRUE(started.ok()) << started.error().message;
    launcher_.emplace(std::move(started.value()));
  }

  void StartAndWelcome() {
    StartLauncher();
    EXPECT_EQ(broker_->Welcome().role, Role::kLauncher);
  }

  LaunchMsg Launch(uint64_t worker, const std::string& script) {
    LaunchMsg launch;
    launch.worker = WorkerId(worker);
    launch.job = "job 1";
    launch.task = "smooth/2";
    launch.command = {"/bin/sh", "-c", script};
    launch.log_dir = dir() + "/logs";
    return launch;
  }

  std::string Out(uint64_t worker) {
    return AfterHeading(ReadFile(fmt::format("{}/logs/smooth%2F2/worker_{}.out", dir(), worker)));
  }
  bool Says(uint64_t worker, const std::string& text) {
    return Eventually([&] { return Out(worker).find(text) != std::string::npos; });
  }
  std::string Log() { return ReadFile(dir() + "/launcher.log"); }

  void ExpectEnd(LauncherEnd end) {
    EXPECT_TRUE(launcher_->Wait(Duration::Seconds(30)));
    EXPECT_EQ(launcher_->exit_code(), static_cast<int>(end)) << Log();
    EXPECT_TRUE(Marked().empty());
  }

  std::string endpoint_;
  std::unique_ptr<FakeBroker> broker_;
  std::optional<LauncherProcess> launcher_;
};

TEST_F(LocalLauncher, GreetsWithRoleTokenAndPid) {
  StartLauncher("open sesame");
  const HelloMsg hello = broker_->Expect<HelloMsg>();
  EXPECT_EQ(hello.version, kProtocolVersion);
  EXPECT_EQ(hello.role, Role::kLauncher);
  EXPECT_EQ(hello.token, "open sesame");
  EXPECT_EQ(hello.pid, launcher_->pid());
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  EXPECT_EQ(hello.host, host);
  const std::string arguments = ReadFile(fmt::format("/proc/{}/cmdline", launcher_->pid()));
  EXPECT_EQ(arguments.find("sesame"), std::string::npos) << "every user can read the arguments";
}

TEST_F(LocalLauncher, LaunchesAndReportsTheExitOnce) {
  StartAndWelcome();
  broker_->Send(Launch(1, "echo $$; echo trouble >&2; exit 9"));
  const LaunchedMsg launched = broker_->Expect<LaunchedMsg>();
  EXPECT_EQ(launched.worker, WorkerId(1));
  const ExitedMsg exited = broker_->Expect<ExitedMsg>();
  EXPECT_EQ(exited.worker, WorkerId(1));
  EXPECT_EQ(exited.exit_code, 9);
  EXPECT_EQ(exited.signal, 0);
  EXPECT_EQ(exited.start_error, "");
  EXPECT_EQ(exited.stderr_tail, "trouble\n");
  EXPECT_EQ(Out(1), std::to_string(launched.pid) + "\n");
  EXPECT_FALSE(broker_->Next(std::chrono::milliseconds(400)));
}

TEST_F(LocalLauncher, GivesTheWorkerEverythingItNeeds) {
  StartLauncher("the launcher's own");
  broker_->Welcome();
  LaunchMsg launch = Launch(3,
                            "echo \"$BELLIS_ENDPOINT|$BELLIS_TOKEN|$BELLIS_JOB|$BELLIS_TASK|"
                            "$BELLIS_WORKER_ID|$COLOUR|$BELLIS_SECRET_KEY\"; pwd");
  launch.env = {{"COLOUR", "blue"}, {"BELLIS_JOB", "not this"}, {"BELLIS_TOKEN", "open sesame"}};
  launch.cwd = dir();
  broker_->Send(launch);
  broker_->Expect<LaunchedMsg>();
  broker_->Expect<ExitedMsg>();
  EXPECT_EQ(Out(3), endpoint_ + "|open sesame|job 1|smooth/2|3|blue|\n" + dir() + "\n");
}

TEST_F(LocalLauncher, KeepsItsOwnKeysFromTheWorker) {
  StartLauncher("the launcher's own");
  broker_->Welcome();
  broker_->Send(Launch(1, "echo \"<$BELLIS_TOKEN>\"; env | grep -c own"));
  broker_->Expect<LaunchedMsg>();
  broker_->Expect<ExitedMsg>();
  EXPECT_EQ(Out(1), "<>\n0\n");
}

TEST_F(LocalLauncher, KeepsFromTheWorkerTheContextOfARunAroundIt) {
  setenv("BELLIS_CONTEXT", "of another run", 1);
  StartAndWelcome();
  unsetenv("BELLIS_CONTEXT");
  broker_->Send(Launch(1, "echo \"<$BELLIS_CONTEXT>\""));
  broker_->Expect<LaunchedMsg>();
  broker_->Expect<ExitedMsg>();
  EXPECT_EQ(Out(1), "<>\n");
}

TEST_F(LocalLauncher, ReportsACommandThatCannotBeStartedOnlyByExited) {
  StartAndWelcome();
  LaunchMsg launch = Launch(1, "");
  launch.command = {"no-such-program"};
  launch.env["PATH"] = "/bin";
  broker_->Send(launch);
  const ExitedMsg exited = broker_->Expect<ExitedMsg>();
  EXPECT_EQ(exited.worker, WorkerId(1));
  EXPECT_EQ(exited.start_error,
            "cannot start \"no-such-program\": No such file or directory (looked in PATH=/bin)");
  broker_->Send(Launch(2, "exit 0"));
  broker_->Expect<LaunchedMsg>();
  broker_->Expect<ExitedMsg>();
}

TEST_F(LocalLauncher, IgnoresALaunchOfAWorkerThatRuns) {
  StartAndWelcome();
  broker_->Send(Launch(1, "exec sleep 1000"));
  broker_->Expect<LaunchedMsg>();
  broker_->Send(Launch(1, "exit 5"));
  broker_->Send(StopMsg{WorkerId(1), 30'000});
  EXPECT_EQ(broker_->Expect<ExitedMsg>().signal, SIGTERM);
  EXPECT_NE(Log().find("launch of worker 1, which is running"), std::string::npos);
}

TEST_F(LocalLauncher, StopsWithTermAndThenKill) {
  StartAndWelcome();
  broker_->Send(Launch(1, "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"));
  broker_->Send(Launch(2, "trap '' TERM; echo ready; while :; do sleep 0.01; done"));
  broker_->Expect<LaunchedMsg>();
  broker_->Expect<LaunchedMsg>();
  ASSERT_TRUE(Says(1, "ready"));
  ASSERT_TRUE(Says(2, "ready"));
  broker_->Send(StopMsg{WorkerId(1), 30'000});
  const ExitedMsg first = broker_->Expect<ExitedMsg>();
  EXPECT_EQ(first.worker, WorkerId(1));
  EXPECT_EQ(first.exit_code, 3);
  const auto begin = std::chrono::steady_clock::now();
  broker_->Send(StopMsg{WorkerId(2), 200});
  const ExitedMsg second = broker_->Expect<ExitedMsg>();
  EXPECT_EQ(second.worker, WorkerId(2));
  EXPECT_EQ(second.signal, SIGKILL);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(200));
}

TEST_F(LocalLauncher, AnswersTheStopOfAWorkerThatItDoesNotKnow) {
  broker_->set_answer_pings(false);
  StartAndWelcome();
  broker_->Send(StopMsg{WorkerId(99), 0});
  EXPECT_EQ(broker_->Expect<ExitedMsg>().worker, WorkerId(99));
  broker_->Send(StopMsg{WorkerId(99), 0});  // the launcher's answer is on its way
  broker_->Send(Launch(99, "exit 5"));      // sent before the broker has read that answer
  broker_->Send(Launch(1, "exit 5"));
  EXPECT_EQ(broker_->Expect<LaunchedMsg>().worker, WorkerId(1));
}

TEST_F(LocalLauncher, LeavesWithAllWorkersReportedThenBye) {
  StartAndWelcome();
  broker_->Send(Launch(1, "exec sleep 1000"));
  broker_->Send(
      Launch(2, "trap '' TERM; echo ready; setsid sleep 1000 & while :; do sleep 0.01; done"));
  broker_->Expect<LaunchedMsg>();
  broker_->Expect<LaunchedMsg>();
  ASSERT_TRUE(Says(2, "ready"));
  broker_->Send(LeaveMsg{"enough"});
  const ExitedMsg first = broker_->Expect<ExitedMsg>();
  EXPECT_EQ(first.worker, WorkerId(1));
  EXPECT_EQ(first.signal, SIGTERM);
  const ExitedMsg second = broker_->Expect<ExitedMsg>();
  EXPECT_EQ(second.worker, WorkerId(2));
  EXPECT_EQ(second.signal, SIGKILL);
  broker_->Expect<ByeMsg>();
  ExpectEnd(LauncherEnd::kLeft);
}

TEST_F(LocalLauncher, WhileItLeavesItAnswersNoLaunchWithAStartErrorWhichGivesTasksUp) {
  StartAndWelcome();
  broker_->Send(Launch(1, "trap '' TERM; echo ready; while :; do sleep 0.01; done"));
  broker_->Expect<LaunchedMsg>();
  ASSERT_TRUE(Says(1, "ready"));
  broker_->Send(LeaveMsg{});
  broker_->Send(Launch(2, "exit 0"));
  EXPECT_EQ(broker_->Expect<ExitedMsg>().worker, WorkerId(1));
  broker_->Expect<ByeMsg>();
  ExpectEnd(LauncherEnd::kLeft);
  EXPECT_NE(Log().find("launch of worker 2: this launcher is leaving"), std::string::npos) << Log();
}

TEST_F(LocalLauncher, ASignalIsNeitherALeaveNorAFaultOfTheWorkers) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    StartAndWelcome();
    broker_->Send(Launch(1, "exec sleep 1000"));
    broker_->Expect<LaunchedMsg>();
    kill(launcher_->pid(), signal);
    EXPECT_FALSE(broker_->Expect<ByeMsg>().reason.empty()) << "no exit is reported";
    ExpectEnd(LauncherEnd::kSignalled);
  }
}

TEST_F(LocalLauncher, ASecondSignalEndsTheGracePeriod) {
  StartAndWelcome();
  broker_->Send(Launch(1, "trap 'echo term' TERM; echo ready; while :; do sleep 0.01; done"));
  broker_->Expect<LaunchedMsg>();
  ASSERT_TRUE(Says(1, "ready"));
  kill(launcher_->pid(), SIGTERM);
  ASSERT_TRUE(Says(1, "term"));
  kill(launcher_->pid(), SIGTERM);
  broker_->Expect<ByeMsg>();
  ExpectEnd(LauncherEnd::kSignalled);
}

TEST_F(LocalLauncher, ExitsWhenTheBrokerRefusesIt) {
  StartLauncher("wrong");
  broker_->Expect<HelloMsg>();
  broker_->Send(ErrorMsg{ErrorCode::kUnauthorized, "the token does not match", 0});
  ExpectEnd(LauncherEnd::kRefused);
  EXPECT_NE(Log().find("the token does not match (unauthorized)"), std::string::npos) << Log();
}

TEST_F(LocalLauncher, GreetsANewBrokerAndRepeatsWhatTheOldOneMayHaveMissed) {
  broker_->set_answer_pings(false);
  StartAndWelcome();
  broker_->Send(Launch(1, "exec sleep 1000"));
  broker_->Expect<LaunchedMsg>();
  broker_.reset();  // as if the broker crashed
  broker_ = std::make_unique<FakeBroker>(endpoint_);
  broker_->set_answer_pings(false);
  // The new broker does not know the launcher: it refuses its next ping, or its queued messages.
  ASSERT_TRUE(Eventually([&] {
    std::optional<Message> message = broker_->Next(std::chrono::milliseconds(100));
    if (message && std::holds_alternative<HelloMsg>(*message)) return true;
    if (broker_->has_peer()) {
      broker_->Send(ErrorMsg{ErrorCode::kHelloFirst, "say hello first", 0});
    }
    return false;
  }));
  broker_->set_answer_pings(true);
  broker_->Send(WelcomeMsg{});
  EXPECT_EQ(broker_->Expect<LaunchedMsg>().worker, WorkerId(1)) << "was not confirmed";
  broker_->Send(StopMsg{WorkerId(1), 30'000});
  EXPECT_EQ(broker_->Expect<ExitedMsg>().worker, WorkerId(1));
}

TEST_F(LocalLauncher, LogsGarbageAndIgnoresIt) {
  StartAndWelcome();
  broker_->SendBytes("");
  broker_->SendBytes("garbage");
  broker_->SendBytes(std::string("\xdd\xff\xff\xff\xff", 5));
  broker_->SendBytes(std::string(2 << 20, '\xc1'));
  broker_->SendFrames({"two", "frames"});
  broker_->Send(WorkMsg{});  // well-formed, but not for a launcher
  broker_->Send(ErrorMsg{ErrorCode::kLimit, "complaint", 0});
  broker_->Send(Launch(1, "exit 0"));
  broker_->Expect<LaunchedMsg>();
  broker_->Expect<ExitedMsg>();
  for (const char* line : {"ignored from the broker: 7 bytes", "a message of several frames",
                           "\"work\"", "complaint (limit)"}) {
    EXPECT_NE(Log().find(line), std::string::npos) << line << "\n" << Log();
  }
  for (int i = 0; i < 1000; ++i) broker_->SendBytes("x");
  broker_->Send(Launch(2, "exit 0"));
  broker_->Expect<LaunchedMsg>();
  const std::string log = Log();
  EXPECT_LT(std::count(log.begin(), log.end(), '\n'), 40) << "a flood does not fill the disk";
}

TEST_F(LocalLauncher, LeavesNothingOfAWorkerBehind) {
  StartAndWelcome();
  broker_->Send(Launch(1,
                       "sleep 1000 & setsid sleep 1000 & setsid sh -c 'setsid sleep 1000 & "
                       "setsid sleep 1000 & exit 0'; exit 0"));
  broker_->Expect<LaunchedMsg>();
  EXPECT_EQ(broker_->Expect<ExitedMsg>().exit_code, 0);
  EXPECT_EQ(Marked(), std::vector<pid_t>{launcher_->pid()});
}

TEST_F(LocalLauncher, RunsAThousandWorkers) {
  constexpr uint64_t kWorkers = 1000;
  using Clock = std::chrono::steady_clock;
  StartAndWelcome();
  LaunchMsg launch = Launch(0, "");
  launch.command = {"/bin/sleep", "1000"};
  const auto begin = Clock::now();
  for (uint64_t id = 1; id <= kWorkers; ++id) {
    launch.worker = WorkerId(id);
    broker_->Send(launch);
  }
  std::set<WorkerId> launched;
  for (uint64_t i = 0; i < kWorkers; ++i) launched.insert(broker_->Expect<LaunchedMsg>().worker);
  EXPECT_EQ(launched.size(), kWorkers);
  const auto started = Clock::now();
  // Stop the workers one by one, so that each end is a separate event.
  for (uint64_t id = 1; id <= 200; ++id) {
    broker_->Send(StopMsg{WorkerId(id), 30'000});
    EXPECT_EQ(broker_->Expect<ExitedMsg>().worker, WorkerId(id));
  }
  const auto stopped = Clock::now();
  broker_->Send(LeaveMsg{});
  std::set<WorkerId> exited;
  for (uint64_t i = 200; i < kWorkers; ++i) exited.insert(broker_->Expect<ExitedMsg>().worker);
  EXPECT_EQ(exited.size(), kWorkers - 200);
  broker_->Expect<ByeMsg>();
  const auto left = Clock::now();
  ExpectEnd(LauncherEnd::kLeft);
  const auto ms = [](auto span) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(span).count());
  };
  std::printf("%d workers started in %d ms; 200 stopped one by one in %d ms; left in %d ms\n",
              static_cast<int>(kWorkers), ms(started - begin), ms(stopped - started),
              ms(left - stopped));
}

}  // namespace
}  // namespace bellis
