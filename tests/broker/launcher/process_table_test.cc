#include "broker/launcher/process_table.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "tests/broker/launcher/workers_fixture.h"

namespace bellis {
namespace {

class Workers : public WorkersFixture {
 protected:
  using WorkersFixture::WorkersFixture;
};

TEST_F(Workers, ReportTheirExitCode) {
  ASSERT_TRUE(Start(1, "exit 7").ok());
  EXPECT_TRUE(table_.Has(WorkerId(1)));
  const WorkerExit exit = AwaitExit();
  EXPECT_EQ(exit.worker, WorkerId(1));
  EXPECT_EQ(exit.exit_code, 7);
  EXPECT_EQ(exit.signal, 0);
  EXPECT_FALSE(table_.Has(WorkerId(1)));
  ExpectAllGone();
}

TEST_F(Workers, ReportTheSignalThatEndedThem) {
  ASSERT_TRUE(Start(1, "kill -SEGV $$").ok());
  const WorkerExit exit = AwaitExit();
  EXPECT_EQ(exit.exit_code, 0);
  EXPECT_EQ(exit.signal, SIGSEGV);
  ExpectAllGone();
}

TEST_F(Workers, LeaveNoTraceIfTheyCannotBeStarted) {
  const Result<pid_t> missing =
      table_.Start(WorkerId(1), {{"no-such-program"}, {{"PATH", "/bin"}}, "", Log()});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().message,
            "cannot start \"no-such-program\": No such file or directory (looked in PATH=/bin)");

  std::ofstream(dir() + "/file") << "in the way";
  const Result<pid_t> no_log = table_.Start(
      WorkerId(1), {{"true"}, {}, "", {.log_dir = dir() + "/file/logs", .task = "task"}});
  ASSERT_FALSE(no_log.ok());
  EXPECT_EQ(no_log.error().message, "cannot start \"true\": log file " + dir() +
                                        "/file/logs/task/worker_1.out: file: Not a directory");

  const Result<pid_t> no_cwd = table_.Start(WorkerId(1), {{"true"}, {}, dir() + "/none", Log()});
  ASSERT_FALSE(no_cwd.ok());
  EXPECT_EQ(no_cwd.error().message, "cannot start \"true\": working directory \"" + dir() +
                                        "/none\": No such file or directory");

  const Result<pid_t> bad_env = table_.Start(WorkerId(1), {{"true"}, {{"A=B", "c"}}, "", Log()});
  ASSERT_FALSE(bad_env.ok());
  EXPECT_NE(bad_env.error().message.find("\"A=B\""), std::string::npos);

  const Result<pid_t> long_task = table_.Start(
      WorkerId(1), {{"true"}, {}, "", {.log_dir = dir(), .task = std::string(300, 'x')}});
  ASSERT_FALSE(long_task.ok());
  EXPECT_NE(long_task.error().message.find("File name too long"), std::string::npos);

  EXPECT_FALSE(table_.Has(WorkerId(1)));
  ExpectAllGone();
  EXPECT_TRUE(Start(1, "exit 0").ok()) << "the id is still free";
  AwaitExit();
}

TEST_F(Workers, KnowWhoTheyAre) {
  ASSERT_TRUE(table_
                  .Start(WorkerId(5), {{"sh", "-c", "echo $COLOUR; echo $BELLIS_WORKER_TAG"},
                                       {{"COLOUR", "blue"}},
                                       dir(),
                                       dir(),
                                       "task"})
                  .ok());
  AwaitExit();
  EXPECT_TRUE(Out(5).starts_with("blue\n" + std::to_string(getpid()) + "."));
  EXPECT_TRUE(Out(5).ends_with(".5\n"));
}

TEST_F(Workers, ObeyAStop) {
  ASSERT_TRUE(
      Start(1, "trap 'echo stopping; exit 3' TERM; echo ready; while :; do sleep 0.01; done").ok());
  ASSERT_TRUE(Says(1, "ready"));
  table_.Stop(WorkerId(1), Duration::Seconds(5), kStart);
  const WorkerExit exit = AwaitExit();
  EXPECT_EQ(exit.exit_code, 3);
  EXPECT_EQ(exit.signal, 0);
  EXPECT_EQ(Out(1), "ready\nstopping\n");
  ExpectAllGone();
}

TEST_F(Workers, AreKilledAfterTheGracePeriodIfTheyIgnoreAStop) {
  const Result<pid_t> pid = Start(1, "trap '' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_TRUE(Says(1, "ready"));
  table_.Stop(WorkerId(1), Duration::Seconds(5), kStart);
  EXPECT_EQ(table_.next_deadline(), After(5));
  EXPECT_TRUE(table_.Poll(After(4.999)).empty());
  EXPECT_TRUE(IsAlive(*pid));
  const WorkerExit exit = AwaitExit(After(5));
  EXPECT_EQ(exit.signal, SIGKILL);
  ExpectAllGone(After(5));
}

TEST_F(Workers, AreKilledAtTheEarliestTimeAskedFor) {
  ASSERT_TRUE(Start(1, "trap '' TERM; echo ready; while :; do sleep 0.01; done").ok());
  ASSERT_TRUE(Says(1, "ready"));
  table_.Stop(WorkerId(1), Duration::Seconds(5), kStart);
  table_.Stop(WorkerId(1), Duration::Seconds(9), kStart);
  EXPECT_EQ(table_.next_deadline(), After(5));
  table_.Stop(WorkerId(1), Duration(), After(1));
  EXPECT_EQ(table_.next_deadline(), After(1));
  EXPECT_EQ(AwaitExit(After(1)).signal, SIGKILL);
  table_.Stop(WorkerId(1), Duration(), After(1));  // ignored: the worker is gone
  table_.Stop(WorkerId(99), Duration(), After(1));
  ExpectAllGone(After(1));
}

TEST_F(Workers, GetOnlyOneTerm) {
  // The leader dies of the TERM. Its child, in the same group, gets that TERM and no other.
  ASSERT_TRUE(Start(1,
                    "sh -c 'trap \"echo term\" TERM; echo ready; i=0;"
                    " while [ $i -lt 30 ]; do sleep 0.01; i=$((i+1)); done; echo done' & wait")
                  .ok());
  ASSERT_TRUE(Says(1, "ready"));
  table_.Stop(WorkerId(1), Duration::Seconds(5), kStart);
  AwaitExit();
  EXPECT_EQ(Out(1), "ready\nterm\ndone\n");
  ExpectAllGone();
}

TEST_F(Workers, TwoHundredStartAndEndAtOnce) {
  using Clock = std::chrono::steady_clock;
  const auto fds = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto fds_before = fds();
  const auto begin = Clock::now();
  for (uint64_t id = 1; id <= 200; ++id) {
    ASSERT_TRUE(table_.Start(WorkerId(id), {{"/bin/sleep", "1000"}, {}, "", Log()}).ok());
  }
  const auto started = Clock::now();
  EXPECT_EQ(fds(), fds_before) << "a running worker costs no descriptor";
  EXPECT_EQ(Marked().size(), 200u);
  const auto counted = Clock::now();
  table_.StopAll(Duration::Seconds(5), kStart);
  std::vector<WorkerId> gone;
  for (int i = 0; i < 200; ++i) {
    const WorkerExit exit = AwaitExit();
    EXPECT_EQ(exit.signal, SIGTERM);
    gone.push_back(exit.worker);
  }
  const auto ended = Clock::now();
  std::sort(gone.begin(), gone.end());
  EXPECT_EQ(std::unique(gone.begin(), gone.end()), gone.end()) << "each is reported once";
  ExpectAllGone();
  const auto ms = [](auto span) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
  };
  RecordProperty("start_ms", static_cast<int>(ms(started - begin)));
  std::printf("200 workers: started in %d ms, ended in %d ms\n",
              static_cast<int>(ms(started - begin)), static_cast<int>(ms(ended - counted)));
}

// Processes that workers leave behind, with each of the two ways to look at the process tree.
class Leftovers : public Workers, public testing::WithParamInterface<ProcessTree::Source> {
 protected:
  Leftovers() : Workers(GetParam()) {}
  /// A script that prints its pid to the file `name` and stays.
  std::string Stays(const std::string& name) {
    return fmt::format("sh -c 'echo $$ > {}/{}; exec sleep 1000'", dir(), name);
  }
  pid_t PidIn(const std::string& name) { return AwaitPid(dir() + "/" + name); }
  /// Script text that waits until the file `name` is there.
  std::string Until(const std::string& name) {
    return fmt::format("while ! [ -s {}/{} ]; do sleep 0.01; done;", dir(), name);
  }
};

TEST_P(Leftovers, InTheGroupEndWithTheLeader) {
  ASSERT_TRUE(Start(1, Stays("child") + " & " + Until("child") + " exit 4").ok());
  EXPECT_EQ(AwaitExit().exit_code, 4);
  EXPECT_FALSE(IsAlive(PidIn("child")));
  ExpectAllGone();
}

TEST_P(Leftovers, InSessionsOfTheirOwnEndWithTheLeader) {
  ASSERT_TRUE(Start(1, "setsid " + Stays("child") + " & " + Until("child") + " exit 4").ok());
  EXPECT_EQ(AwaitExit().exit_code, 4);
  EXPECT_FALSE(IsAlive(PidIn("child")));
  ExpectAllGone();
}

TEST_P(Leftovers, ThatForkedTwiceEndWithTheLeader) {
  // The process in the middle is long gone, so the daemon has become our child already.
  ASSERT_TRUE(Start(1, "setsid sh -c 'setsid " + std::string("sh -c \"echo \\$\\$ > ") + dir() +
                           "/child; exec sleep 1000\" & exit 0'; " + Until("child") + " exit 4")
                  .ok());
  EXPECT_EQ(AwaitExit().exit_code, 4);
  EXPECT_FALSE(IsAlive(PidIn("child")));
  ExpectAllGone();
}

TEST_P(Leftovers, BelowOtherLeftoversEndToo) {
  ASSERT_TRUE(Start(1, "setsid sh -c '" + std::string("setsid sh -c \"echo \\$\\$ > ") + dir() +
                           "/child; exec sleep 1000\" & wait' & " + Until("child") + " exit 4")
                  .ok());
  EXPECT_EQ(AwaitExit().exit_code, 4);
  EXPECT_FALSE(IsAlive(PidIn("child")));
  ExpectAllGone();
}

TEST_P(Leftovers, WithAWipedEnvironmentEndOnStop) {
  ASSERT_TRUE(Start(1, "env -i PATH=$PATH setsid " + Stays("child") + " & " + Until("child") +
                           " echo ready; wait")
                  .ok());
  ASSERT_TRUE(Says(1, "ready"));
  table_.Stop(WorkerId(1), Duration::Seconds(5), kStart);
  AwaitExit();
  EXPECT_FALSE(IsAlive(PidIn("child")));
  ExpectAllGone();
}

TEST_P(Leftovers, ThatIgnoreTermHoldUpTheReportUntilTheyAreKilled) {
  ASSERT_TRUE(Start(1, "setsid sh -c 'trap \"\" TERM; echo $$ > " + dir() +
                           "/child; while :; do sleep 0.01; done' & " + Until("child") + " exit 4")
                  .ok());
  const pid_t child = PidIn("child");
  EXPECT_TRUE(Eventually([&] {
    EXPECT_TRUE(table_.Poll(kStart).empty());
    return table_.next_deadline() != Instant::Never();  // the leader is gone
  }));
  EXPECT_EQ(table_.next_deadline(), After(3));
  EXPECT_TRUE(table_.Poll(After(2.9)).empty());
  EXPECT_TRUE(IsAlive(child));
  EXPECT_TRUE(table_.Has(WorkerId(1)));
  EXPECT_EQ(AwaitExit(After(3)).exit_code, 4);
  EXPECT_FALSE(IsAlive(child));
  ExpectAllGone(After(3));
}

TEST_P(Leftovers, OfARunningWorkerAreLeftAlone) {
  ASSERT_TRUE(Start(1, "setsid sh -c 'setsid " + std::string("sh -c \"echo \\$\\$ > ") + dir() +
                           "/child; exec sleep 1000\" & exit 0'; exec sleep 1000")
                  .ok());
  const pid_t daemon = PidIn("child");
  ASSERT_TRUE(Start(2, "exit 0").ok());
  EXPECT_EQ(AwaitExit().worker, WorkerId(2));
  EXPECT_TRUE(IsAlive(daemon)) << "another worker's end is no reason";
  table_.Stop(WorkerId(1), Duration::Seconds(5), kStart);
  EXPECT_EQ(AwaitExit().worker, WorkerId(1));
  EXPECT_FALSE(IsAlive(daemon));
  ExpectAllGone();
}

TEST_P(Leftovers, ThatKeepForkingAreCaught) {
  // Each generation starts the next in a new session and ends.
  std::ofstream(dir() + "/flee") << "#!/bin/sh\ntrap '' TERM\necho $$ > " << dir()
                                 << "/child\nsleep 0.01\nsetsid " << dir() << "/flee &\n";
  std::filesystem::permissions(dir() + "/flee", std::filesystem::perms::owner_all);
  ASSERT_TRUE(Start(1, "setsid " + dir() + "/flee & " + Until("child") + " exit 4").ok());
  EXPECT_TRUE(Eventually([&] {
    EXPECT_TRUE(table_.Poll(kStart).empty());
    return table_.next_deadline() != Instant::Never();
  }));
  EXPECT_EQ(AwaitExit(After(3)).exit_code, 4);
  ExpectAllGone(After(3));
}

INSTANTIATE_TEST_SUITE_P(Sources, Leftovers,
                         testing::Values(ProcessTree::Source::kBest, ProcessTree::Source::kScan),
                         [](const auto& source) {
                           return source.param == ProcessTree::Source::kBest ? "Children" : "Scan";
                         });

class Descendants : public Workers {};

TEST_F(Descendants, AllEndEvenThoseOfNoWorker) {
  // The child left its session and its parent, and wiped its environment: nobody can tell which
  // worker it belongs to.
  ASSERT_TRUE(Start(1, "env -i PATH=$PATH setsid sh -c 'setsid sh -c \"echo \\$\\$ > " + dir() +
                           "/child; trap : TERM; while :; do sleep 0.01; done\" & exit 0'; exit 0")
                  .ok());
  const pid_t daemon = AwaitPid(dir() + "/child");
  EXPECT_EQ(AwaitExit().exit_code, 0);
  EXPECT_TRUE(IsAlive(daemon));
  EXPECT_EQ(EndDescendants(Duration::Millis(20), Duration::Seconds(10)), 0u);
  EXPECT_FALSE(IsAlive(daemon));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

}  // namespace
}  // namespace bellis
