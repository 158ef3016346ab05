// submit, status, watch and cancel, with a bellis-broker for each test.

#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "tests/tools/run_fixture.h"

namespace bellis {
namespace {

class BrokerTest : public RunTest {
 protected:
  BrokerTest()
      : endpoint_("ipc://" + socket_dir_.path() + "/broker.sock"),
        broker_({Program("bellis-broker"), "--endpoint", endpoint_}, {}, socket_dir_.path()) {
    EXPECT_TRUE(Eventually([this] { return !broker_.out().empty(); })) << broker_.err();
  }
  ~BrokerTest() override {
    broker_.Signal(SIGTERM);
    broker_.Wait(20);
    EXPECT_TRUE(broker_.NothingIsLeft());
  }

  ProcessEnd Bellis(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), Program("bellis"));
    return RunProcess(arguments, {{"BELLIS_ENDPOINT", endpoint_}}, dir());
  }
  /// Submits the pipeline; returns the new job's id.
  std::string Submit() const {
    const ProcessEnd end = Bellis({"submit", pipeline()});
    EXPECT_EQ(end.exit_code, 0) << end.err;
    return end.out.substr(0, end.out.find('\n'));
  }
  const std::string& endpoint() const { return endpoint_; }

 private:
  TemporaryDir socket_dir_;
  std::string endpoint_;
  Process broker_;
};

TEST_F(BrokerTest, SubmittedJobIsWatchedToItsEnd) {
  WriteTask("smooth", 4, "touch out.$BELLIS_BLOCK_INDEX");
  const std::string job = Submit();
  const ProcessEnd watch = Bellis({"watch", job});
  EXPECT_EQ(watch.exit_code, 0) << watch.err;
  EXPECT_NE(watch.out.find("all blocks processed successfully"), std::string::npos) << watch.out;
  EXPECT_NE(watch.err.find("smooth 4/4 (100%)"), std::string::npos) << watch.err;
  EXPECT_EQ(Bellis({"watch", job}).exit_code, 0) << "also afterwards";
}

TEST_F(BrokerTest, SubmitCanWatchAndSpeaksJson) {
  WriteTask("smooth", 2, "exit 1", {.max_retries = 0});
  const ProcessEnd end = Bellis({"submit", "--watch", "--json", pipeline()});
  EXPECT_EQ(end.exit_code, 1) << end.err;
  std::istringstream lines(end.out);
  std::string line;
  std::vector<nlohmann::json> values;
  while (std::getline(lines, line)) values.push_back(nlohmann::json::parse(line));
  ASSERT_GE(values.size(), 2u);
  EXPECT_EQ(values.front()["job"], values.back()["job"]);
  EXPECT_EQ(values.back()["state"], "failed");
}

TEST_F(BrokerTest, StatusShowsOneJobOrAll) {
  EXPECT_EQ(Bellis({"status"}).out, "no jobs\n");
  WriteTask("smooth", 3, "true");
  const std::string job = Submit();
  Bellis({"watch", job});
  const ProcessEnd all = Bellis({"status"});
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_NE(all.out.find("completed  3/3"), std::string::npos) << all.out;
  EXPECT_NE(Bellis({"status", job}).out.find("num blocks : 3"), std::string::npos);
  const ProcessEnd json = Bellis({"status", "--json", job});
  EXPECT_EQ(nlohmann::json::parse(json.out)["tasks"][0]["completed"], 3);
  const ProcessEnd unknown = Bellis({"status", "job-99"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("job-99"), std::string::npos) << unknown.err;
}

TEST_F(BrokerTest, CancelEndsTheJobWithItsReason) {
  WriteTask("endless", 4, "touch started; exec sleep 1000");
  const std::string job = Submit();
  ASSERT_TRUE(Eventually([this] { return access((dir() + "/started").c_str(), F_OK) == 0; }));
  EXPECT_NE(Bellis({"status", job}).out.find("endless  4"), std::string::npos);
  EXPECT_EQ(Bellis({"cancel", job, "--reason", "wrong input"}).exit_code, 0);
  const ProcessEnd watch = Bellis({"watch", job});
  EXPECT_EQ(watch.exit_code, 1);
  EXPECT_NE(watch.out.find("Job cancelled: wrong input (4 blocks not run)"), std::string::npos)
      << watch.out;
  EXPECT_EQ(Bellis({"cancel", "job-99"}).exit_code, 2);
}

TEST_F(BrokerTest, CtrlCLeavesTheWatchedJobAlone) {
  WriteTask("endless", 1, "exec sleep 1000");
  const std::string job = Submit();
  Process watch({Program("bellis"), "watch", "--endpoint", endpoint(), job}, {}, dir());
  ASSERT_TRUE(Eventually([&] { return !watch.err().empty(); }));
  watch.SignalGroup(SIGINT);
  const ProcessEnd end = watch.Wait(20);
  EXPECT_EQ(end.exit_code, 130);
  EXPECT_NE(end.err.find("runs on; 'bellis cancel " + job + "' ends it"), std::string::npos);
  EXPECT_NE(Bellis({"status"}).out.find("running"), std::string::npos);
}

TEST_F(BrokerTest, WorkerStartedByHandServesAJobThatWaitsForOne) {
  WriteTask("smooth", 3, "", {.task = "external_workers = true\n", .command = "none"});
  const std::string job = Submit();
  const ProcessEnd worker =
      Bellis({"exec", "--task", "smooth", "--language", "by hand", "--", "true"});
  EXPECT_EQ(worker.exit_code, 0) << worker.err;
  EXPECT_NE(Bellis({"status", job}).out.find("by hand 3"), std::string::npos);
}

TEST(NoBroker, EveryClientCommandExits3AndSaysWhatToDo) {
  TemporaryDir dir;
  for (const char* command : {"status", "cancel"}) {
    const ProcessEnd end = RunProcess(
        {Program("bellis"), command, "job-1"},
        {{"BELLIS_ENDPOINT", "ipc://" + dir.path() + "/s"}, {"BELLIS_CONNECT_TIMEOUT", "0.2"}});
    EXPECT_EQ(end.exit_code, 3);
    EXPECT_NE(end.err.find("is bellis-broker running?"), std::string::npos) << end.err;
  }
  EXPECT_EQ(RunProcess({Program("bellis"), "status", "--access", dir.path() + "/none"}).exit_code,
            2);
}

}  // namespace
}  // namespace bellis
