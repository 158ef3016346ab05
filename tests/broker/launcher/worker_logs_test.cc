// The output of workers: where it goes, how much of it is kept, and which part is reported.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "tests/broker/launcher/workers_fixture.h"

namespace bellis {
namespace {

class WorkerLogs : public WorkersFixture {
 protected:
  /// The first or last bytes, `size` at most, of what the worker wrote to stdout. (Some files here
  /// are too large to be read whole again and again.)
  std::string Head(uint64_t worker, size_t size) {
    std::ifstream file(Path(worker, "out"), std::ios::binary);
    std::string heading;
    std::getline(file, heading);
    std::string head(size, '\0');
    file.read(head.data(), static_cast<std::streamsize>(size));
    head.resize(static_cast<size_t>(file.gcount()));
    return head;
  }
  std::string Tail(uint64_t worker, size_t size) {
    std::ifstream file(Path(worker, "out"), std::ios::binary | std::ios::ate);
    const auto end = static_cast<size_t>(std::max<std::streamoff>(file.tellg(), 0));
    std::string tail(std::min(size, end), '\0');
    file.seekg(static_cast<std::streamoff>(end - tail.size()));
    file.read(tail.data(), static_cast<std::streamsize>(tail.size()));
    return tail;
  }
  /// Waits for the worker's last words on stdout.
  bool EndsIn(uint64_t worker, const std::string& text) {
    return Eventually([&] { return Tail(worker, text.size()) == text; });
  }
};

TEST_F(WorkerLogs, LoseTheirMiddleIfTheyGetTooLarge) {
  ASSERT_TRUE(Start(1,
                    "echo first; head -c 80000000 /dev/zero | tr '\\0' x; echo; echo last;"
                    "while [ ! -e " +
                        dir() + "/go ]; do sleep 0.01; done; echo more; sleep 100")
                  .ok());
  ASSERT_TRUE(EndsIn(1, "\nlast\n"));
  table_.TrimLogs();
  EXPECT_LT(OnDisk(1), int64_t{20} << 20);
  EXPECT_EQ(Head(1, 8), "first\nxx");
  const size_t notice_at = kLogHeadBytes - kLogCutNotice.size();
  EXPECT_EQ(ReadFile(Path(1, "out")).substr(notice_at, kLogCutNotice.size()), kLogCutNotice);
  EXPECT_TRUE(EndsIn(1, "x\nlast\n"));
  std::ofstream(dir() + "/go") << "go";
  EXPECT_TRUE(EndsIn(1, "x\nlast\nmore\n"));
}

TEST_F(WorkerLogs, AreTrimmedWhenTheWorkerEnds) {
  ASSERT_TRUE(
      Start(1, "echo first; head -c 80000000 /dev/zero | tr '\\0' x; echo; echo last").ok());
  AwaitExit();
  EXPECT_LT(OnDisk(1), int64_t{20} << 20);
  EXPECT_EQ(Tail(1, 7), "x\nlast\n");
}

TEST_F(WorkerLogs, OfEndedWorkersAreTrimmedWhileAnyChildWrites) {
  // The daemon has its own session and an empty environment, so nobody can tell which worker it
  // belongs to.
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
    const std::string last = fmt::format("x\ntold {}\n", turn);
    ASSERT_TRUE(EndsIn(1, last));
    EXPECT_TRUE(table_.writes_logs());
    table_.TrimLogs();
    EXPECT_LT(OnDisk(1), int64_t{20} << 20) << "after turn " << turn;
    EXPECT_EQ(Head(1, 8), "first\nxx");
    EXPECT_EQ(Tail(1, last.size()), last);
  }
  std::ofstream(dir() + "/go4") << "go";
  EXPECT_TRUE(Eventually([&] {
    table_.Poll(kStart);
    table_.TrimLogs();
    return !table_.writes_logs();
  })) << "nobody has the file open any more, and it is watched all the same";
}

TEST_F(WorkerLogs, AreFilesNamedByTaskAndId) {
  ASSERT_TRUE(Start(12, "echo to out; echo to err >&2", "a/b:c=d%e f").ok());
  AwaitExit();
  const std::string directory = dir() + "/a%2Fb:c=d%25e f";
  EXPECT_EQ(AfterHeading(ReadFile(directory + "/worker_12.out")), "to out\n");
  EXPECT_EQ(AfterHeading(ReadFile(directory + "/worker_12.err")), "to err\n");
}

TEST_F(WorkerLogs, AreInTheFolderOfTheRunAndBeginWithALineAboutTheWorker) {
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

TEST_F(WorkerLogs, CannotLeaveTheLogDirectoryByATaskId) {
  EXPECT_EQ(TaskLogDir("logs", ".."), "logs/%2E%2E");
  EXPECT_EQ(TaskLogDir("logs", "."), "logs/%2E");
  EXPECT_EQ(TaskLogDir("logs", "../x"), "logs/..%2Fx");
  EXPECT_EQ(TaskLogDir("logs", "..."), "logs/...");
}

TEST_F(WorkerLogs, GiveTheEndOfStderrToTheReport) {
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

}  // namespace
}  // namespace bellis
