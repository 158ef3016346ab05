// `bellis run` as users run it: real processes, real blocks.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "bellis/version.h"
#include "client/cpp/connection.h"
#include "tests/tools/run_fixture.h"

namespace bellis {
namespace {

namespace fs = std::filesystem;

TEST_F(RunTest, EveryBlockIsWorkedOnAndSummedUp) {
  WriteTask("smooth", 8, "echo \"$BELLIS_WRITE_OFFSET\" > out.$BELLIS_BLOCK_ID", {.workers = 2});
  const ProcessEnd end = Run();
  EXPECT_EQ(end.exit_code, 0) << end.err;
  for (int block = 0; block < 8; ++block) {
    EXPECT_EQ(Output("out." + std::to_string(block)), std::to_string(10 * block) + "\n");
  }
  EXPECT_NE(end.out.find("\nExecution Summary\n-----------------\n\n  Task smooth:\n\n"
                         "    num blocks : 8\n    completed ✔: 8 (skipped 0)\n"),
            std::string::npos)
      << end.out;
  EXPECT_NE(end.out.find("blocks by workers: command 8 ("), std::string::npos) << end.out;
  EXPECT_NE(end.out.find("\n    all blocks processed successfully\n"), std::string::npos);
  EXPECT_NE(end.err.find(" smooth 8/8 (100%)\n"), std::string::npos) << end.err;
}

TEST_F(RunTest, WorkersRunInTheFilesFolderAndLogsGoHere) {
  WriteTask("a/b", 1, "pwd > where; echo said; echo complained >&2");
  TemporaryDir here;
  const ProcessEnd end =
      RunProcess({Program("bellis"), "run", pipeline()}, Environment(), here.path());
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_EQ(Output("where"), fs::canonical(dir()).string() + "\n");
  EXPECT_EQ(AfterHeading(ReadAll(here.path() + "/bellis_logs/latest/a%2Fb/worker_1.out")),
            "said\n");
  EXPECT_EQ(AfterHeading(ReadAll(here.path() + "/bellis_logs/a%2Fb/worker_1.err")), "complained\n");
}

TEST_F(RunTest, LogDirIsTheOptionsOrTheFiles) {
  WriteTask("t", 1, "echo said", {.top = "log_dir = \"logs\"\n"});
  TemporaryDir here;
  EXPECT_EQ(RunProcess({Program("bellis"), "run", pipeline()}, {}, here.path()).exit_code, 0);
  EXPECT_EQ(AfterHeading(Output("logs/t/worker_1.out")), "said\n") << "relative to the file";
  EXPECT_EQ(RunProcess({Program("bellis"), "run", "--fresh", "--log-dir", "mine", pipeline()}, {},
                       here.path())
                .exit_code,
            0);
  EXPECT_EQ(AfterHeading(ReadAll(here.path() + "/mine/t/worker_2.out")), "said\n")
      << "relative to here";
}

TEST_F(RunTest, HasAFolderOfLogsWhichLatestNames) {
  WriteTask("t", 1, "echo said");
  EXPECT_EQ(Run().exit_code, 0);
  const std::string first = LatestRun();
  EXPECT_TRUE(std::regex_match(first, std::regex(R"(\d{4}-\d\d-\d\dT\d{6}Z_pipeline-1_\w+)")))
      << first;
  EXPECT_EQ(Run({"--fresh"}).exit_code, 0);
  const std::string second = LatestRun();
  EXPECT_NE(second, first);
  EXPECT_EQ(AfterHeading(Output("bellis_logs/" + first + "/t/worker_1.out")), "said\n");
  EXPECT_EQ(AfterHeading(Output("bellis_logs/" + second + "/t/worker_2.out")), "said\n");
  EXPECT_FALSE(fs::exists(dir() + "/bellis_logs/" + second + "/t/worker_1.out"));
}

TEST_F(RunTest, ContinuesInTheLogFolderWithWhichItBegan) {
  WriteTask("t", 2, "echo said; [ -e good ] || [ $BELLIS_BLOCK_INDEX = 0 ]", {.max_retries = 0});
  EXPECT_EQ(Run().exit_code, 1);
  const std::string first = LatestRun();
  // Another job ran in between.
  fs::remove(dir() + "/bellis_logs/latest");
  fs::create_symlink("of another job", dir() + "/bellis_logs/latest");
  Write("good", "");
  EXPECT_EQ(Run().exit_code, 0);
  EXPECT_EQ(LatestRun(), first);
}

TEST_F(RunTest, FailedBlocksAreNamedWithTheirErrorAndWorkersLog) {
  WriteTask("smooth", 4, "[ $BELLIS_BLOCK_INDEX != 2 ] || { echo bad pixel >&2; exit 7; }",
            {.max_retries = 1});
  const ProcessEnd end = Run();
  EXPECT_EQ(end.exit_code, 1) << end.err;
  EXPECT_NE(end.out.find("    completed ✔: 3 (skipped 0)\n    failed    ✗: 1\n"), std::string::npos)
      << end.out;
  const std::string failed = "Failed Blocks:\n\n      block 2 attempt 2 in worker ";
  const size_t at = end.out.find(failed);
  ASSERT_NE(at, std::string::npos) << end.out;
  const std::string worker = end.out.substr(at + failed.size(), 1);
  EXPECT_NE(end.out.find(": exited with code 7: bad pixel\n"), std::string::npos) << end.out;
  const std::string log =
      dir() + "/bellis_logs/" + LatestRun() + "/smooth/worker_" + worker + ".err";
  EXPECT_NE(end.out.find("      " + log + " / .out\n"), std::string::npos) << end.out;
  EXPECT_NE(ReadAll(log).find("bad pixel"), std::string::npos);
  EXPECT_EQ(end.out.find("successfully"), std::string::npos);
}

TEST_F(RunTest, DownstreamOfAFailureIsOrphaned) {
  WriteTask("first", 4, "[ $BELLIS_BLOCK_INDEX != 2 ]", {.max_retries = 0});
  WriteTask("second", 4, "true", {.upstream = "first"});
  const ProcessEnd end = Run();
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_NE(end.out.find("  Task second:\n\n    num blocks : 4\n    completed ✔: 3 (skipped 0)\n"
                         "    failed    ✗: 0\n    orphaned  ∅: 1\n"),
            std::string::npos)
      << end.out;
}

TEST_F(RunTest, ARetryCompletesAFailedBlock) {
  WriteTask("t", 2, "[ $BELLIS_BLOCK_ATTEMPT = 2 ]");
  const ProcessEnd end = Run();
  EXPECT_EQ(end.exit_code, 0) << end.out << end.err;
  EXPECT_NE(end.out.find("2 failed attempts made good by a retry"), std::string::npos) << end.out;
}

TEST_F(RunTest, WorkerThatCannotBeStartedEndsTheRunWithTheReason) {
  WriteTask("t", 3, "", {.command = R"(["/no/such/worker"])"});
  const ProcessEnd end = Run();
  EXPECT_EQ(end.exit_code, 1) << end.err;
  EXPECT_NE(end.out.find("    orphaned  ∅: 3\n"), std::string::npos) << end.out;
  EXPECT_NE(end.out.find("/no/such/worker"), std::string::npos) << end.out;
}

TEST_F(RunTest, TimeoutEndsAWorkerThatHangsAndTheRunGoesOn) {
  WriteTask("t", 3, "[ $BELLIS_BLOCK_INDEX != 1 ] || exec sleep 1000",
            {.max_retries = 0, .task = "timeout = 0.3\n"});
  Process run(RunCommand(), {}, dir());
  const ProcessEnd end = run.Wait();
  EXPECT_EQ(end.exit_code, 1) << end.err;
  EXPECT_NE(end.out.find("completed ✔: 2"), std::string::npos) << end.out;
  EXPECT_NE(end.out.find("timeout"), std::string::npos) << end.out;
  EXPECT_TRUE(run.NothingIsLeft());
}

TEST_F(RunTest, WorkerThatFailsTooOftenIsReplaced) {
  WriteTask("t", 12, "echo $PPID >> pids; [ $BELLIS_BLOCK_INDEX -ge 6 ]", {.max_retries = 0});
  const ProcessEnd end = Run();
  EXPECT_EQ(end.exit_code, 1) << end.err;
  EXPECT_NE(end.out.find("completed ✔: 6 (skipped 0)\n    failed    ✗: 6\n"), std::string::npos)
      << end.out;
  EXPECT_TRUE(fs::exists(dir() + "/bellis_logs/t/worker_2.out"));
}

TEST_F(RunTest, TaskWithoutBlocksIsDoneAtOnce) {
  WriteTask("t", 0, "true");
  const Instant start = ClientNow();
  const ProcessEnd end = Run();
  EXPECT_EQ(end.exit_code, 0) << end.err << end.out;
  EXPECT_NE(end.out.find("num blocks : 0"), std::string::npos);
  EXPECT_LT((ClientNow() - start).seconds(), 3) << "nothing waits for a launcher that comes late";
}

TEST_F(RunTest, ALauncherThatASignalEndsIsReplacedAndItsWorkIsDone) {
  // The parent of `bellis exec` is the launcher.
  WriteTask("t", 4,
            "ps -o ppid= -p $PPID >> launchers; while [ ! -e go ]; do sleep 0.02; done\n"
            "touch out.$BELLIS_BLOCK_INDEX",
            {.workers = 2, .max_retries = 0});
  Process run(RunCommand(), {}, dir());
  std::set<pid_t> told;
  for (const int signal : {SIGTERM, SIGHUP, SIGINT}) {
    pid_t launcher = 0;
    ASSERT_TRUE(Eventually([&] {
      std::istringstream launchers(Output("launchers"));
      for (pid_t pid = 0; launchers >> pid;) launcher = pid;
      return launcher != 0 && told.count(launcher) == 0;
    })) << run.err();
    told.insert(launcher);
    kill(launcher, signal);
  }
  Write("go", "");
  const ProcessEnd end = run.Wait();
  EXPECT_EQ(end.exit_code, 0) << end.err << end.out;
  for (int block = 0; block < 4; ++block) {
    EXPECT_TRUE(fs::exists(dir() + "/out." + std::to_string(block)));
  }
  EXPECT_TRUE(run.NothingIsLeft());
}

TEST_F(RunTest, TheEndOfTheReaderDoesNotEndTheRun) {
  WriteTask("t", 3, "sleep 0.05; touch out.$BELLIS_BLOCK_INDEX");
  const ProcessEnd end =
      RunProcess({"bash", "-c", "\"$1\" run \"$2\" 2> >(exit) > >(exit); echo $?", "bash",
                  Program("bellis"), pipeline()},
                 {}, dir());
  EXPECT_EQ(end.out, "0\n");
  EXPECT_TRUE(fs::exists(dir() + "/out.2"));
}

TEST_F(RunTest, ExternalWorkersAreToldWhereToConnect) {
  WriteTask("by hand", 2, "", {.task = "external_workers = true\n", .command = "none"});
  Process run(RunCommand(), {}, dir());
  ASSERT_TRUE(Eventually([&] {
    return run.err().find("BELLIS_TASK='by hand'\n") != std::string::npos;
  })) << run.err();
  const std::string said = run.err();
  const size_t begin = said.find("BELLIS_ENDPOINT");
  const std::string variables = said.substr(begin, said.find('\n', begin) - begin);
  const ProcessEnd worker =
      RunProcess({"sh", "-c", variables + " \"$0\" exec -- true", Program("bellis")});
  EXPECT_EQ(worker.exit_code, 0) << worker.err;
  const ProcessEnd end = run.Wait();
  EXPECT_EQ(end.exit_code, 0) << end.err << end.out;
}

TEST_F(RunTest, SerialRunsOneBlockAfterTheOther) {
  WriteTask("first", 5, "echo 1.$BELLIS_BLOCK_INDEX >> order", {.workers = 3});
  WriteTask("second", 5, "echo 2.$BELLIS_BLOCK_INDEX >> order",
            {.upstream = "first", .workers = 3});
  const ProcessEnd end = Run({"--serial"});
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_EQ(Output("order"), "1.0\n1.1\n1.2\n1.3\n1.4\n2.0\n2.1\n2.2\n2.3\n2.4\n");
}

TEST_F(RunTest, JsonIsOneObjectAndNothingElse) {
  WriteTask("t", 3, "true");
  const ProcessEnd end = Run({"--json"});
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.err, "");
  const auto status = nlohmann::json::parse(end.out);
  EXPECT_EQ(status["state"], "completed");
  EXPECT_EQ(status["tasks"][0]["completed"], 3);
}

TEST_F(RunTest, QuietSaysNothingOfASuccessAndSumsUpAFailure) {
  WriteTask("t", 1, "exit $FAIL", {.max_retries = 0});
  const ProcessEnd good =
      RunProcess({Program("bellis"), "run", "-q", pipeline()}, {{"FAIL", "0"}}, dir());
  EXPECT_EQ(good.exit_code, 0);
  EXPECT_EQ(good.out + good.err, "");
  const ProcessEnd bad =
      RunProcess({Program("bellis"), "run", "-q", "--fresh", pipeline()}, {{"FAIL", "1"}}, dir());
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_EQ(bad.err, "");
  EXPECT_NE(bad.out.find("failed    ✗: 1"), std::string::npos);
}

TEST_F(RunTest, BadInputExits2AndNamesThePlace) {
  EXPECT_EQ(RunProcess({Program("bellis"), "run"}).exit_code, 2);
  EXPECT_EQ(RunProcess({Program("bellis"), "run", "--nonsense", "x"}).exit_code, 2);
  EXPECT_EQ(RunProcess({Program("bellis")}).exit_code, 2);
  const ProcessEnd missing = RunProcess({Program("bellis"), "run", "/no/such/file.toml"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_EQ(missing.err, "bellis: /no/such/file.toml: no such file\n");
  EXPECT_EQ(RunProcess({Program("bellis"), "run", dir()}).exit_code, 2) << "a folder";
  WriteTask("t", 1, "true", {.max_retries = 0, .top = "nonsense = 1\n"});
  const ProcessEnd bad = Run();
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_NE(bad.err.find("pipeline.toml:1: "), std::string::npos) << bad.err;
}

TEST_F(RunTest, VersionAndHelpExit0) {
  const ProcessEnd version = RunProcess({Program("bellis"), "--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out, "bellis " BELLIS_VERSION "\n");
  const ProcessEnd help = RunProcess({Program("bellis"), "run", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.out.find("130  interrupted"), std::string::npos);
}

TEST(CommandLine, SuggestsTheCommandOrOptionThatWasMeant) {
  const auto said = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Program("bellis"));
    const ProcessEnd end = RunProcess(arguments);
    EXPECT_EQ(end.exit_code, 2);
    return end.err;
  };
  EXPECT_EQ(
      said({"statsu"}),
      "bellis: there is no command 'statsu'; did you mean status? (bellis --help lists all)\n");
  EXPECT_EQ(said({"frobnicate", "--json"}),
            "bellis: there is no command 'frobnicate' (bellis --help lists all)\n");
  EXPECT_EQ(said({"status", "--jsno"}),
            "bellis: there is no option '--jsno'; did you mean --json? (bellis status --help lists "
            "all)\n");
  EXPECT_EQ(said({"status", "--endpiont=tcp://h:1"}),
            "bellis: there is no option '--endpiont'; did you mean --endpoint? (bellis status "
            "--help lists all)\n");
  EXPECT_EQ(said({}).find("there is no"), std::string::npos);
  EXPECT_EQ(said({"cancel"}).find("there is no"), std::string::npos) << "the job is missing";
}

TEST_F(RunTest, ACommandThatReturnsAtOnceIsToldToWaitForItsWorker) {
  WriteTask("t", 2, "", {.command = "[\"true\"]"});
  const ProcessEnd end = Run();
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_NE(end.out.find("exited with code 0 while 2 blocks were left; none of them had connected"),
            std::string::npos)
      << end.out;
}

TEST_F(RunTest, RunsAtTheSameTimeDoNotInterfere) {
  WriteTask("t", 6, "echo x >> $OUT; sleep 0.02");
  const auto run = [this](const std::string& number) {
    return std::vector<std::string>{Program("bellis"), "run", "--state-dir", dir() + "/s" + number,
                                    pipeline()};
  };
  Process first(run("1"), {{"OUT", dir() + "/1"}}, dir());
  Process second(run("2"), {{"OUT", dir() + "/2"}}, dir());
  EXPECT_EQ(first.Wait().exit_code, 0);
  EXPECT_EQ(second.Wait().exit_code, 0);
  EXPECT_EQ(Output("1").size(), 12u);
  EXPECT_EQ(Output("2").size(), 12u);
}

}  // namespace
}  // namespace bellis
