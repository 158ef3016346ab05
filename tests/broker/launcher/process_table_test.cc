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

#include "tests/broker/launcher/process_testing.h"

namespace bellis {
namespace {

// Time is an argument: a grace of 5 s is over when we say so. Only processes take real time.
constexpr Instant kStart{1'000'000'000};
Instant After(double seconds) { return kStart + Duration::Seconds(seconds); }

class Workers : public ProcessTest {
 protected:
  explicit Workers(ProcessTree::Source source = ProcessTree::Source::kBest)
      : table_({.leftover_grace = Duration::Seconds(3), .tree_source = source}) {}

  Result<pid_t> Start(uint64_t worker, const std::string& script,
                      const std::string& task = "task") {
    return table_.Start(WorkerId(worker),
                        {{"/bin/sh", "-c", script}, {}, "", {.log_dir = dir(), .task = task}});
  }

  LogLabel Log() { return {.log_dir = dir(), .task = "task"}; }

  std::string Path(uint64_t worker, const std::string& suffix, const std::string& task = "task") {
    return fmt::format("{}/worker_{}.{}", TaskLogDir(dir(), task), worker, suffix);
  }

  int64_t OnDisk(uint64_t worker) {
    struct stat status {};
    EXPECT_EQ(stat(Path(worker, "out").c_str(), &status), 0);
    return int64_t{status.st_blocks} * 512;
  }

  /// What the worker wrote, without the first line.
  std::string Out(uint64_t worker) { return AfterHeading(ReadFile(Path(worker, "out"))); }

  /// Waits for the worker's words on stdout.
  bool Says(uint64_t worker, const std::string& text) {
    return Eventually([&] { return Out(worker).find(text) != std::string::npos; });
  }

  /// The next exit that is reported while the clock stands at `now`.
  WorkerExit AwaitExit(Instant now = kStart) {
    EXPECT_TRUE(Eventually([&] {
      for (WorkerExit& exit : table_.Poll(now)) exits_.push_back(std::move(exit));
      return !exits_.empty();
    }));
    if (exits_.empty()) return {};
    WorkerExit first = exits_.front();
    exits_.erase(exits_.begin());
    return first;
  }

  /// Nothing more is reported, and no process is left.
  void ExpectAllGone(Instant now = kStart) {
    EXPECT_TRUE(table_.Poll(now).empty());
    EXPECT_EQ(table_.size(), 0u);
    EXPECT_EQ(table_.next_deadline(), Instant::Never());
    EXPECT_TRUE(Marked().empty());
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child, or a zombie, is left";
  }

  ProcessTable table_;
  std::vector<WorkerExit> exits_;
};

TEST_F(Workers, ThatTalkTooMuchLoseTheMiddleOfTheirLog) {
  ASSERT_TRUE(Start(1,
                    "echo first; head -c 80000000 /dev/zero | tr '\\0' x; echo; echo last;"
                    "while [ ! -e " +
                        dir() + "/go ]; do sleep 0.01; done; echo more; sleep 100")
                  .ok());
  ASSERT_TRUE(Says(1, "\nlast\n"));
  table_.TrimLogs();
  EXPECT_LT(OnDisk(1), int64_t{20} << 20);
  EXPECT_EQ(Out(1).substr(0, 8), "first\nxx");
  const size_t notice_at = kLogHeadBytes - kLogCutNotice.size();
  EXPECT_EQ(ReadFile(Path(1, "out")).substr(notice_at, kLogCutNotice.size()), kLogCutNotice);
  EXPECT_TRUE(Says(1, "x\nlast\n"));
  std::ofstream(dir() + "/go") << "go";
  EXPECT_TRUE(Says(1, "x\nlast\nmore\n"));
}

TEST_F(Workers, ThatEndLeaveNoLargeLogBehind) {
  ASSERT_TRUE(
      Start(1, "echo first; head -c 80000000 /dev/zero | tr '\\0' x; echo; echo last").ok());
  AwaitExit();
  EXPECT_LT(OnDisk(1), int64_t{20} << 20);
  EXPECT_TRUE(Out(1).ends_with("x\nlast\n"));
}

TEST_F(Workers, ThatHaveEndedHaveTheirLogsTrimmedWhileAnyChildWrites) {
  // What nobody can tell whose it is: in a session of its own, without the environment.
  std::ofstream(dir() + "/daemon")
      << "#!/bin/sh\ncd " << dir() << "; touch child\n"
      << "for i in 1 2 3; do\n"
      << "while [ ! -e go$i ]; do sleep 0.01; done\n"
      << "head -c 80000000 /dev/zero | tr '\\0' x; echo; echo told $i\n"
      << "done; while [ ! -e go4 ]; do sleep 0.01; done\n";
  ASSERT_EQ(chmod((dir() + "/daemon").c_str(), 0700), 0);
  ASSERT_TRUE(Start(1, "echo first; env -i PATH=$PATH setsid " + dir() + "/daemon & " +
                           "while ! [ -e " + dir() + "/child ]; do sleep 0.01; done; exit 0")
                  .ok());
  AwaitExit();
  EXPECT_EQ(table_.size(), 0u);
  for (const int turn : {1, 2, 3}) {
    std::ofstream(fmt::format("{}/go{}", dir(), turn)) << "go";
    ASSERT_TRUE(Says(1, fmt::format("x\ntold {}\n", turn)));
    EXPECT_TRUE(table_.writes_logs());
    table_.TrimLogs();
    EXPECT_LT(OnDisk(1), int64_t{20} << 20) << "after turn " << turn;
    EXPECT_EQ(Out(1).substr(0, 8), "first\nxx");
    EXPECT_TRUE(Out(1).ends_with(fmt::format("x\ntold {}\n", turn)));
  }
  std::ofstream(dir() + "/go4") << "go";
  EXPECT_TRUE(Eventually([&] {
    table_.Poll(kStart);
    table_.TrimLogs();
    return !table_.writes_logs();
  })) << "nobody has the file open any more, and it is watched all the same";
}

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

TEST_F(Workers, ThatCannotBeStartedLeaveNoTrace) {
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

TEST_F(Workers, WriteToFilesNamedByTaskAndId) {
  ASSERT_TRUE(Start(12, "echo to out; echo to err >&2", "a/b:c=d%e f").ok());
  AwaitExit();
  const std::string directory = dir() + "/a%2Fb:c=d%25e f";
  EXPECT_EQ(AfterHeading(ReadFile(directory + "/worker_12.out")), "to out\n");
  EXPECT_EQ(AfterHeading(ReadFile(directory + "/worker_12.err")), "to err\n");
}

TEST_F(Workers, HaveTheirLogsInTheFolderOfTheRunWithALineThatSaysWhoTheyAre) {
  const LogLabel label{.log_dir = dir() + "/logs",
                       .run = "2026-11-27T030507Z_job-1_k3x9",
                       .job = "job-1",
                       .task = "smooth",
                       .slot = "0",
                       .duty = "check"};
  const Result<pid_t> pid =
      table_.Start(WorkerId(3), {{"/bin/sh", "-c", "echo out; echo err >&2"}, {}, "", label});
  ASSERT_TRUE(pid.ok());
  EXPECT_EQ(AwaitExit().stderr_tail, "err\n") << "the heading is not the worker's";
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  for (const std::string word : {"out", "err"}) {
    for (const std::string& folder :
         {label.run + "/smooth", std::string("latest/smooth"), std::string("smooth")}) {
      const std::string text = ReadFile(fmt::format("{}/logs/{}/worker_3.{}", dir(), folder, word));
      const size_t colon = text.find(": ");
      ASSERT_NE(colon, std::string::npos) << folder << ": " << text;
      const std::regex time(R"(\[bellis \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d)");
      EXPECT_TRUE(std::regex_match(text.substr(0, colon), time)) << text;
      EXPECT_EQ(text.substr(colon),
                fmt::format(": job job-1, run {}, task smooth, worker 3, duty check, slot 0, host "
                            "{}, pid {}]\n{}\n",
                            label.run, host, *pid, word));
    }
  }
}

TEST_F(Workers, CannotLeaveTheLogDirectoryByTheirTaskId) {
  EXPECT_EQ(TaskLogDir("logs", ".."), "logs/%2E%2E");
  EXPECT_EQ(TaskLogDir("logs", "."), "logs/%2E");
  EXPECT_EQ(TaskLogDir("logs", "../x"), "logs/..%2Fx");
  EXPECT_EQ(TaskLogDir("logs", "..."), "logs/...");
}

TEST_F(Workers, ReportTheEndOfTheirStderr) {
  ASSERT_TRUE(Start(1, "echo from an earlier run >&2").ok());
  EXPECT_EQ(AwaitExit().stderr_tail, "from an earlier run\n");
  ASSERT_TRUE(Start(1, "echo oops >&2").ok());
  EXPECT_EQ(AwaitExit().stderr_tail, "oops\n");
  const std::string both = AfterHeading(ReadFile(Path(1, "err")));
  EXPECT_TRUE(both.starts_with("from an earlier run\n[bellis ")) << "logs are appended to";
  EXPECT_TRUE(both.ends_with("]\noops\n")) << "each with a line that says whose it is";

  ASSERT_TRUE(Start(2, "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done").ok());
  const std::string tail = AwaitExit().stderr_tail;
  EXPECT_EQ(tail.size(), kStderrTailBytesMax);
  EXPECT_TRUE(tail.ends_with("line 1998\nline 1999\n"));
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

TEST_F(Workers, ThatIgnoreAStopAreKilledAfterTheGrace) {
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
  table_.Stop(WorkerId(1), Duration(), After(1));  // gone: ignored
  table_.Stop(WorkerId(99), Duration(), After(1));
  ExpectAllGone(After(1));
}

TEST_F(Workers, GetOneTermEach) {
  // The leader dies of the TERM; its child, in the same group, got the same one and no other.
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

// What workers leave behind, seen through either way to look at the tree.
class Leftovers : public Workers, public testing::WithParamInterface<ProcessTree::Source> {
 protected:
  Leftovers() : Workers(GetParam()) {}
  /// A script that prints its pid to the file `name` and stays.
  std::string Stays(const std::string& name) {
    return fmt::format("sh -c 'echo $$ > {}/{}; exec sleep 1000'", dir(), name);
  }
  pid_t PidIn(const std::string& name) { return AwaitPid(dir() + "/" + name); }
  /// For the script: until those files are there.
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
  // The one in the middle is long gone, so the daemon was our child already.
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

TEST_F(Descendants, AllEndEvenWhatBelongsToNoWorker) {
  // Left its session and its parent, and wiped its environment: nobody knows whose it is.
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
