// Ctrl-C, TERM and KILL of `bellis run`: what it prints, and that no process is left.

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "client/cpp/connection.h"
#include "tests/tools/run_fixture.h"
#include "tools/private_dir.h"

namespace bellis {
namespace {

class InterruptTest : public RunTest {
 protected:
  /// Starts a run of two workers that never end by themselves, and waits until both compute.
  std::unique_ptr<Process> StartEndless(const std::string& script = "exec sleep 1000") {
    WriteTask("t", 8, "touch started.$BELLIS_BLOCK_INDEX; " + script, {.workers = 2});
    auto run = std::make_unique<Process>(
        RunCommand(), std::map<std::string, std::string>{{"XDG_RUNTIME_DIR", runtime_.path()}},
        dir());
    EXPECT_TRUE(Eventually([this] {
      return std::filesystem::exists(dir() + "/started.0") &&
             std::filesystem::exists(dir() + "/started.1");
    })) << run->err();
    return run;
  }

  bool RuntimeDirIsEmpty() const { return std::filesystem::is_empty(runtime_.path()); }
  const std::string& runtime() const { return runtime_.path(); }

 private:
  TemporaryDir runtime_;
};

TEST_F(InterruptTest, CtrlCCancelsAndSumsUp) {
  const auto run = StartEndless();
  run->SignalGroup(SIGINT);
  const ProcessEnd end = run->Wait(20);
  EXPECT_EQ(end.exit_code, 130);
  EXPECT_NE(end.err.find("bellis: cancelling; press again to stop at once\n"), std::string::npos)
      << end.err;
  EXPECT_NE(end.out.find("\n  Job cancelled"), std::string::npos) << end.out;
  EXPECT_TRUE(run->NothingIsLeft());
  EXPECT_TRUE(RuntimeDirIsEmpty());
}

TEST_F(InterruptTest, TermDoesTheSameAndExits143) {
  const auto run = StartEndless();
  run->Signal(SIGTERM);
  const ProcessEnd end = run->Wait(20);
  EXPECT_EQ(end.exit_code, 143);
  EXPECT_NE(end.out.find("Job cancelled"), std::string::npos) << end.out;
  EXPECT_TRUE(run->NothingIsLeft());
  EXPECT_TRUE(RuntimeDirIsEmpty());
}

TEST_F(InterruptTest, SecondCtrlCStopsAtOnceEvenStubbornWorkers) {
  const auto run = StartEndless("trap '' TERM INT; while :; do sleep 1; done");
  run->Signal(SIGINT);
  ASSERT_TRUE(Eventually([&] { return run->err().find("cancelling") != std::string::npos; }));
  const Instant pressed = ClientNow();
  run->Signal(SIGINT);
  EXPECT_EQ(run->Wait(20).exit_code, 130);
  EXPECT_LT((ClientNow() - pressed).seconds(), 5);
  EXPECT_TRUE(run->NothingIsLeft());
  EXPECT_TRUE(RuntimeDirIsEmpty());
}

TEST_F(InterruptTest, KilledRunLeavesNoProcess) {
  const auto run = StartEndless("trap '' TERM INT; while :; do sleep 1; done");
  run->Signal(SIGKILL);
  EXPECT_EQ(run->Wait().signal, SIGKILL);
  EXPECT_TRUE(run->NothingIsLeft());
}

TEST_F(InterruptTest, TheNextRunRemovesFilesOfAKilledRun) {
  const auto killed = StartEndless();
  killed->Signal(SIGKILL);
  killed->Wait();
  EXPECT_TRUE(killed->NothingIsLeft());
  EXPECT_FALSE(RuntimeDirIsEmpty());
  Process next(RunCommand(), {{"XDG_RUNTIME_DIR", runtime()}}, dir());
  ASSERT_TRUE(Eventually([&] { return next.Descendants().size() > 2; }));
  next.Signal(SIGTERM);
  EXPECT_EQ(next.Wait(20).exit_code, 143);
  EXPECT_TRUE(RuntimeDirIsEmpty());
}

TEST(PrivateDir, IsPrivateAndIsRemoved) {
  TemporaryDir runtime;
  setenv("XDG_RUNTIME_DIR", runtime.path().c_str(), 1);
  std::string path;
  {
    const auto dir = PrivateDir::Make();
    ASSERT_TRUE(dir.ok());
    path = dir->path();
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
    SweepPrivateDirs(runtime.path());
    EXPECT_TRUE(std::filesystem::exists(path)) << "in use";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  unsetenv("XDG_RUNTIME_DIR");
}

}  // namespace
}  // namespace bellis
